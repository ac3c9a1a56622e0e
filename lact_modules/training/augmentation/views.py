"""Two views of each utterance, and a loss where they disagree (CR-CTC)."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import kl_div

from lact_modules.errors import InputError
from lact_modules.ops.padding import padding_mask

WARMUP_STEPS = 2000
"""Of the loss, as in icefall's recipes."""

TIME_MASK_SCALE = 2.5
"""Of time masks in two views, as published."""


class TwoViews:
    """Train on two views of each utterance, consistently (CR-CTC, arXiv 2410.05101).

    Both views are trained on the transcript, and each on the other's output at each
    frame. SpecAugment hides other parts of each, so a model has to fill in what is
    hidden, and is regularized. The second half of a batch has the same utterances.
    During ``warmup_steps`` the scale rises linearly from 0: at first each view would be
    trained on noise. None is `WARMUP_STEPS`, but at most a tenth of the training.
    """

    def __init__(self, scale: float, warmup_steps: int | None = None):
        self.scale, self.warmup_steps = scale, warmup_steps
        self.last: dict[str, Tensor] = {}

    @classmethod
    def of(
        cls, cr_loss_scale: float = 0.0, cr_warmup_steps: int | None = None
    ) -> "TwoViews | None":
        """Make what the recipe's keys ask for; None for a scale of 0."""
        return cls(cr_loss_scale, cr_warmup_steps) if cr_loss_scale else None

    def weight(self, step: float, total_steps: int) -> float:
        """Return the scale at a step, or its place in a schedule."""
        warmup_steps = self.warmup_steps
        if warmup_steps is None:
            warmup_steps = min(WARMUP_STEPS, total_steps // 10)
        return self.scale * (step / warmup_steps if step < warmup_steps else 1.0)

    def merge(
        self,
        losses: Tensor,
        num_labels: Tensor,
        ctc: Tensor,
        log_probs: Tensor,
        frames: Tensor,
        weight: float,
    ) -> Tensor:
        """Average the losses (2 B,) of both views to (B,); add their disagreement."""
        disagreement = consistency_losses(log_probs, frames)
        count = num_labels.sum().clamp(min=len(num_labels))
        self.last = {
            "ctc": _mean_of_views(ctc).detach().sum() / count,
            "cr": disagreement.detach().sum() / count,
        }
        return _mean_of_views(losses) + weight * disagreement

    def metrics(self) -> dict[str, float]:
        """Return the last batch's ``ctc`` and ``cr`` a label, in nats, not weighted."""
        return {name: value.item() for name, value in self.last.items()}


def consistency_losses(log_probs: Tensor, frames: Tensor) -> Tensor:
    """Return how far two views disagree: the mean of KL divergences in both directions.

    What a divergence is measured from has no gradient (arXiv 2410.05101); it is summed
    over valid frames, as CTC's loss is. The second half of (2 B, T, V) is of the same
    utterances as the first, with as many frames.
    """
    is_padding = padding_mask(frames, log_probs.shape[1])
    log_probs = log_probs.masked_fill(is_padding[..., None], 0.0)
    others = log_probs.detach().roll(len(frames) // 2, dims=0)
    # p (log p - log q), with p the other view
    divergences = kl_div(log_probs, others, reduction="none", log_target=True)
    return _mean_of_views(divergences.sum(dim=(1, 2)))


def _mean_of_views(losses: Tensor) -> Tensor:
    return torch.stack(losses.chunk(2)).mean(dim=0)


def time_mask_factor(
    time_mask_scale: float | None = None, cr_loss_scale: float = 0.0
) -> float:
    """Return the factor of time masks: the given one, or one that fits the views."""
    if time_mask_scale is not None:
        return time_mask_scale
    return TIME_MASK_SCALE if cr_loss_scale else 1.0


def check_views(
    model: Any, cr_loss_scale: float = 0.0, meta_ttt: str | None = None
) -> None:
    """Refuse two views of what they cannot be of.

    >>> check_views(None, cr_loss_scale=0.2, meta_ttt="suta")
    Traceback (most recent call last):
    ...
    lact_modules.errors.InputError: --cr_loss_scale 0.2: meta_ttt runs each utterance
    twice itself; use one of the two
    """
    if not cr_loss_scale:
        return
    if meta_ttt is not None:
        raise InputError(
            f"--cr_loss_scale {cr_loss_scale:g}: meta_ttt runs each utterance twice "
            "itself; use one of the two"
        )
    encoder = getattr(model, "encoder", None)
    if getattr(encoder, "frame_share", 1) != 1:
        raise InputError(
            f"--cr_loss_scale {cr_loss_scale:g}: views are compared frame by frame, "
            "and segments are others in each; set dynamic_chunking.upsample to true"
        )
