"""Two views of each utterance, and a loss where they disagree (CR-CTC)."""

from collections.abc import Mapping
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

    Both views are trained on the transcript, and each on what the other says at each
    frame. SpecAugment hides other parts of each, so a model has to fill in what is
    hidden, and is regularized. The second half of a batch has the same utterances.

    Arguments
    ---------
    scale : float
        Of what they disagree, beside the mean of their losses.
    warmup_steps : int | None
        Optimizer steps in which the scale rises from 0, evenly: at first each would be
        trained on noise. None: `WARMUP_STEPS`, but at most a tenth of the training.

    Example
    -------
    >>> views = TwoViews(scale=0.2)
    >>> [round(views.weight(step, total_steps=1000), 3) for step in (0, 50, 100, 900)]
    [0.0, 0.1, 0.2, 0.2]
    """

    def __init__(self, scale: float, warmup_steps: int | None = None):
        self.scale, self.warmup_steps = scale, warmup_steps
        self.last: dict[str, Tensor] = {}

    @classmethod
    def of(cls, hparams: Any) -> "TwoViews | None":
        """Make what ``cr_loss_scale`` and ``cr_warmup_steps`` ask for; None for 0."""
        if not hparams.cr_loss_scale:
            return None
        return cls(hparams.cr_loss_scale, hparams.cr_warmup_steps)

    def weight(self, step: float, total_steps: int) -> float:
        """Return the scale at a step.

        Arguments
        ---------
        step : float
            Optimizer steps taken so far, or the place in a schedule that they stand
            for.
        total_steps : int
            Of the training.

        Returns
        -------
        float
            From 0 to `scale`.
        """
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
        """Average the losses of both views, and add what these disagree.

        Arguments
        ---------
        losses : Tensor
            (2 B,), all that there are.
        num_labels : Tensor
            (B,), over which losses are to be averaged.
        ctc : Tensor
            (2 B,), what CTC has of the losses.
        log_probs : Tensor
            (2 B, T, V) of tokens at frames.
        frames : Tensor
            (2 B,) valid frames.
        weight : float
            See `weight`.

        Returns
        -------
        Tensor
            (B,)
        """
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

    What a divergence is measured from has no gradient (arXiv 2410.05101); it is
    summed over frames, as CTC's loss is.

    Arguments
    ---------
    log_probs : Tensor
        (2 B, T, V) float32, the second half of the same utterances as the first.
    frames : Tensor
        (2 B,) valid frames, the same in both halves; what stands beyond them has no
        influence.

    Returns
    -------
    Tensor
        (B,) in nats.

    Example
    -------
    >>> log_probs = torch.tensor([[[0.5, 0.5]], [[0.25, 0.75]]]).log()
    >>> consistency_losses(log_probs, torch.tensor([1, 1]))
    tensor([0.1373])
    """
    is_padding = padding_mask(frames, log_probs.shape[1])
    log_probs = log_probs.masked_fill(is_padding[..., None], 0.0)
    others = log_probs.detach().roll(len(frames) // 2, dims=0)
    # p (log p - log q), with p the other view
    divergences = kl_div(log_probs, others, reduction="none", log_target=True)
    return _mean_of_views(divergences.sum(dim=(1, 2)))


def _mean_of_views(losses: Tensor) -> Tensor:
    return torch.stack(losses.chunk(2)).mean(dim=0)


def time_mask_scale(hparams: Any) -> float:
    """Return the factor of time masks: what is asked for, or what fits the views."""
    if hparams.time_mask_scale is not None:
        return hparams.time_mask_scale
    return TIME_MASK_SCALE if hparams.cr_loss_scale else 1.0


def check_views(hparams: Mapping[str, Any]) -> None:
    """Refuse two views of what they cannot be of.

    Arguments
    ---------
    hparams : Mapping[str, Any]
        Of a recipe, objects made.

    Raises
    ------
    InputError
        With the key, and what to do.

    Example
    -------
    >>> check_views({"cr_loss_scale": 0.2, "meta_ttt": "suta"})
    Traceback (most recent call last):
    ...
    lact_modules.errors.InputError: --cr_loss_scale 0.2: meta_ttt runs each utterance
    twice itself; use one of the two
    """
    scale = hparams.get("cr_loss_scale")
    if not scale:
        return
    if hparams.get("meta_ttt") is not None:
        raise InputError(
            f"--cr_loss_scale {scale:g}: meta_ttt runs each utterance twice itself; "
            "use one of the two"
        )
    encoder = getattr(hparams["model"], "encoder", None)
    if getattr(encoder, "frame_share", 1) != 1:
        raise InputError(
            f"--cr_loss_scale {scale:g}: views are compared frame by frame, and chunks "
            "are others in each; set dynamic_chunking.upsample to true"
        )
