"""Losses of each utterance, in nats, with what cannot be aligned counted."""

from torch import Tensor
from torch.nn.functional import ctc_loss

from lact_modules.training.objective.guard import infeasible


def ctc_losses(
    log_probs: Tensor, frames: Tensor, tokens: Tensor, num_tokens: Tensor
) -> tuple[Tensor, Tensor]:
    """CTC loss of each utterance; those that cannot be aligned count as 0.

    Arguments
    ---------
    log_probs : Tensor
        (B, T, V) float32, token 0 the blank.
    frames : Tensor
        (B,) valid frames.
    tokens : Tensor
        (B, U) int64.
    num_tokens : Tensor
        (B,) valid tokens.

    Returns
    -------
    losses : Tensor
        (B,)
    is_infeasible : Tensor
        (B,) bool, where the tokens do not fit into the frames.

    Example
    -------
    >>> import torch
    >>> log_probs = torch.zeros(1, 2, 3).log_softmax(dim=-1)
    >>> frames, num_tokens = torch.tensor([2]), torch.tensor([2])
    >>> losses, _ = ctc_losses(log_probs, frames, torch.tensor([[1, 2]]), num_tokens)
    >>> torch.allclose(losses.exp(), torch.tensor([9.0]))
    True
    >>> ctc_losses(log_probs, frames, torch.tensor([[1, 1]]), num_tokens)
    (tensor([0.]), tensor([True]))
    """
    losses = ctc_loss(
        # (B, T, V) -> (T, B, V)
        log_probs.transpose(0, 1),
        tokens,
        frames,
        num_tokens,
        reduction="none",
        zero_infinity=True,
    )
    return losses, infeasible(tokens, num_tokens, frames)
