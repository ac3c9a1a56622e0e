"""What a model says, as labels to train it by."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import ctc_loss
from torch.nn.utils.rnn import pad_sequence

from lact_modules.ops.padding import padding_mask


class Labels(NamedTuple):
    """Tokens of each utterance.

    Arguments
    ---------
    tokens : Tensor
        (B, U) int64, padded with 0.
    lengths : Tensor
        (B,) tokens; 0 where there are none to train by.
    """

    tokens: Tensor
    lengths: Tensor


def label(log_probs: Tensor, lengths: Tensor, min_confidence: float = 0.5) -> Labels:
    """Take the best token of each frame, once for each stretch, without blanks.

    Arguments
    ---------
    log_probs : Tensor
        (B, T, V) float32, token 0 the blank; padding has no influence.
    lengths : Tensor
        (B,) valid frames.
    min_confidence : float
        Mean probability of the frames that are not blank; labels of less confident
        utterances are skipped, as filters of self-training do (arXiv 1909.09116,
        sec. 4.3).

    Returns
    -------
    Labels
        Of each utterance.

    Example
    -------
    >>> log_probs = torch.tensor([[1, 1, 0, 2, 2, 1]]).eq(torch.arange(3)[:, None])
    >>> log_probs = log_probs.T[None].float().mul(9).log_softmax(dim=-1)
    >>> label(log_probs.reshape(1, 6, 3), torch.tensor([5]))
    Labels(tokens=tensor([[1, 2]]), lengths=tensor([2]))
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
    """Return CTC's loss a frame.

    Arguments
    ---------
    log_probs : Tensor
        (B, T, V) float32, token 0 the blank; padding has no influence.
    lengths : Tensor
        (B,) valid frames.
    labels : Labels
        The labels; where there are none the loss is 0, and silence is not learned.

    Returns
    -------
    Tensor
        (B,) in nats.

    Example
    -------
    >>> log_probs = torch.zeros(1, 2, 2).log_softmax(dim=-1)
    >>> labels = Labels(torch.tensor([[1]]), torch.tensor([1]))
    >>> pseudo_label_loss(log_probs, torch.tensor([2]), labels)
    tensor([0.1438])
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
