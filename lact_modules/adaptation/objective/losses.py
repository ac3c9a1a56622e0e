"""Losses that need no transcript, one value an utterance.

Each takes log-probabilities (B, T, V) float32, token 0 the blank, and the (B,) valid
frames, and returns (B,); padding has no influence.
"""

import torch
from torch import Tensor

from lact_modules.ops.padding import padding_mask

# Below any mass that float32 distinguishes from 0.
_TINY = 1e-30


def entropy(
    log_probs: Tensor,
    lengths: Tensor,
    temperature: float = 1.0,
    skip_blank: bool = True,
) -> Tensor:
    """Average the frames' entropy in nats (TENT, arXiv 2006.10726); 0 without frames.

    Frames whose best token is the blank would outweigh the others, and can be skipped.
    """
    scores, counts = _soften(log_probs, lengths, temperature)
    if skip_blank:
        counts = counts & (scores.argmax(dim=-1) != 0)
    return _mean(_entropies(scores), counts)


def class_confusion(
    log_probs: Tensor, lengths: Tensor, temperature: float = 2.5
) -> Tensor:
    """Measure how often two tokens are probable at the same frame, 0 to 1.

    Minimum class confusion (arXiv 1912.03699, eqs. 3 to 8): of the tokens' correlation
    over frames, in which confident frames weigh more, the share off the diagonal.
    """
    scores, is_valid = _soften(log_probs, lengths, temperature)
    weights = (1 + (-_entropies(scores).detach()).exp()) * is_valid
    weights = weights / weights.sum(dim=1, keepdim=True).clamp(min=_TINY)
    probs = scores.exp()
    # (B, V, V)
    correlation = probs.mT @ (weights[..., None] * probs)
    mass = correlation.sum(dim=-1).clamp(min=_TINY)
    certain = correlation.diagonal(dim1=1, dim2=2) / mass
    return 1 - certain.mean(dim=-1)


def suta(
    log_probs: Tensor,
    lengths: Tensor,
    entropy_share: float = 0.3,
    temperature: float = 2.5,
) -> Tensor:
    """Mix entropy and class confusion as SUTA does (arXiv 2203.14222, eq. 5)."""
    return entropy_share * entropy(log_probs, lengths, temperature) + (
        1 - entropy_share
    ) * class_confusion(log_probs, lengths, temperature)


def _soften(
    log_probs: Tensor, lengths: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    """Return scores at a temperature, finite at padding, and what is valid (B, T)."""
    is_padding = padding_mask(lengths, log_probs.shape[1])
    log_probs = log_probs.masked_fill(is_padding[..., None], 0.0)
    return (log_probs / temperature).log_softmax(dim=-1), ~is_padding


def _entropies(scores: Tensor) -> Tensor:
    """Map (B, T, V) log-probabilities to (B, T) entropies."""
    return -(scores.exp() * scores).sum(dim=-1)


def _mean(values: Tensor, counts: Tensor) -> Tensor:
    """Average (B, T) over the frames that count."""
    total = torch.where(counts, values, 0.0).sum(dim=1)
    return total / counts.sum(dim=1).clamp(min=1)
