"""A model's outputs for a batch after adaptation: joined, and as certain as before."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from lact_modules.ops.padding import padding_mask

# Beyond it scores are nearly uniform.
_MAX_TEMPERATURE = 8.0
# Halves of the range of temperatures, in logarithms.
_HALVES = 12


def sum_certainty(
    log_probs: Tensor, lengths: Tensor, log_temperature: Tensor | None = None
) -> Tensor:
    """Add up the probability of each valid frame's best token, (B,)."""
    best = log_probs.amax(dim=-1)
    if log_temperature is not None:
        temperature = log_temperature.exp()[:, None]
        total = (log_probs / temperature[..., None]).logsumexp(dim=-1)
        best = best / temperature - total
    is_padding = padding_mask(lengths, log_probs.shape[1])
    return best.exp().masked_fill(is_padding, 0.0).sum(dim=1)


def soften(outputs: Any, certainty: Tensor) -> Any:
    """Make scores no more certain than before adaptation; `certainty` is that sum.

    Minimizing entropy makes a model too certain of its output, right or wrong, and a
    language model then counts for less than it was tuned to. A temperature for each
    utterance undoes that; the best token of a frame stays the same.
    """
    log_probs, lengths, *others = outputs
    log_probs = log_probs.masked_fill(
        padding_mask(lengths, log_probs.shape[1])[..., None], 0.0
    )
    low, high = (
        torch.full_like(certainty, end) for end in (0.0, math.log(_MAX_TEMPERATURE))
    )
    for _ in range(_HALVES):
        middle = (low + high) / 2
        is_sure = sum_certainty(log_probs, lengths, middle) > certainty
        low, high = low.where(~is_sure, middle), high.where(is_sure, middle)
    return _remake(outputs, [_temper(log_probs, low), lengths, *others])


def join(outputs: Sequence[Any]) -> Any:
    """Join a model's outputs for batches of one, padded with 0; None stays None."""
    joined = [_join(column) for column in zip(*outputs, strict=True)]
    return _remake(outputs[0], joined)


def _temper(log_probs: Tensor, log_temperature: Tensor) -> Tensor:
    return (log_probs / log_temperature.exp()[:, None, None]).log_softmax(dim=-1)


def _join(column: Sequence[Tensor | None]) -> Tensor | None:
    tensors = [each for each in column if each is not None]
    if not tensors:
        return None
    if tensors[0].dim() == 1:
        return torch.cat(tensors)
    return pad_sequence([each[0] for each in tensors], batch_first=True)


def _remake(like: Any, parts: Sequence[Any]) -> Any:
    return like._make(parts) if hasattr(like, "_make") else tuple(parts)
