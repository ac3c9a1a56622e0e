"""Losses of each utterance, in nats, with what cannot be aligned counted."""

from torch import Tensor
from torch.nn.functional import ctc_loss

from lact_modules.training.objective.guard import infeasible


def ctc_losses(
    log_probs: Tensor, frames: Tensor, tokens: Tensor, num_tokens: Tensor
) -> tuple[Tensor, Tensor]:
    """Return CTC losses (B,) in nats, and which utterances cannot be aligned.

    These count as 0. Token 0 of the log-probabilities (B, T, V) is the blank.
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
