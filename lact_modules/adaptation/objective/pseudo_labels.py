"""Pseudo-labels: a model's own output as the labels that train it."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import ctc_loss
from torch.nn.utils.rnn import pad_sequence

from lact_modules.ops.padding import padding_mask


class Labels(NamedTuple):
    """Tokens (B, U) of each utterance, padded with 0, and (B,) how many; perhaps 0."""

    tokens: Tensor
    lengths: Tensor


def label(log_probs: Tensor, lengths: Tensor, min_confidence: float = 0.5) -> Labels:
    """Take the best token of each frame, once for each stretch, without blanks.

    Utterances whose frames that are not blank have a mean probability below
    `min_confidence` get no label, as in self-training (arXiv 1909.09116, sec. 4.3).
    """
    best, tokens = log_probs.max(dim=-1)
    tokens = tokens.masked_fill(padding_mask(lengths, log_probs.shape[1]), 0)
    is_token = tokens != 0
    confidence = torch.where(is_token, best.exp(), 0.0).sum(dim=1)
    is_sure = confidence >= min_confidence * is_token.sum(dim=1)
    rows = [
        torch.unique_consecutive(row) * sure
        for row, sure in zip(tokens, is_sure, strict=True)
    ]
    rows = [row[row != 0] for row in rows]
    counts = torch.tensor([len(row) for row in rows], device=lengths.device)
    return Labels(pad_sequence(rows, batch_first=True), counts)


def pseudo_label_loss(log_probs: Tensor, lengths: Tensor, labels: Labels) -> Tensor:
    """Return CTC's loss a frame, (B,) in nats; 0 without labels.

    So silence is not learned.
    """
    losses = ctc_loss(
        log_probs.transpose(0, 1),
        labels.tokens,
        lengths,
        labels.lengths,
        reduction="none",
        zero_infinity=True,
    )
    return torch.where(labels.lengths > 0, losses / lengths.clamp(min=1), 0.0)
