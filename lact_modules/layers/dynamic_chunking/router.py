"""Routers decide where segments begin: scores, made into rates, summed up."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from lact_modules.layers.dynamic_chunking.moving_average import MovingAverage
from lact_modules.ops.routing import Routing, accumulate, rate_offset


class RouterState(NamedTuple):
    """The carried state of a router.

    Arguments
    ---------
    reached : Tensor
        (B,) float64, the sum of rates since the last boundary.
    last : Tensor
        (B, 1, D), the last frame, as it was read.
    """

    reached: Tensor
    last: Tensor


class Router(nn.Module):
    """Begin segments the more often the higher a score, whatever the score.

    A frame has the rate ``min(1, exp(temperature * score + offset))``, and a segment
    begins where the rates, summed up, reach another whole number. So where scores stay
    low segments are long, but they end. Temperature 0 is the control, even segments; a
    high one is a threshold.

    The offset is such that the mean rate is the requested share of the frames:
    in training it is the batch's, and what is averaged of it serves later. So
    utterances differ in their keep ratios, and have this one together. (With
    random weights neighbours are so alike, in speech, that the router of
    arXiv 2507.07955 would find no boundary.)

    Arguments
    ---------
    temperature : float
        To begin with.
    learn_temperature : bool
        Whether it is learned.

    Attributes
    ----------
    merges : bool
        Whether the frames of a segment are so alike that their mean can replace them.
    reads_tokens : bool
        Whether it reads a CTC head's log-probabilities (B, T, V) in the place of
        frames.
    """

    merges = False
    reads_tokens = False
    temperature: Tensor

    def __init__(self, temperature: float = 1.0, learn_temperature: bool = False):
        super().__init__()
        value = torch.tensor(temperature)
        if learn_temperature:
            self.temperature = nn.Parameter(value)
        else:
            self.register_buffer("temperature", value)
        self.offset = MovingAverage(())
        self.is_calibrating = False

    @property
    def threshold(self) -> Tensor:
        """Score from which on each frame begins a segment, outside of training."""
        return -self.offset.value / self.temperature.detach()

    def calibrate(self, is_on: bool) -> None:
        """Let frames outside of training set the offset, as long as it is on.

        In training, dropout and augmentation make frames more unlike than they are.

        Arguments
        ---------
        is_on : bool
            Whether to begin anew, or to end.
        """
        self.is_calibrating = is_on
        if is_on:
            self.offset.reset()

    @torch.no_grad()
    def numbers(self, x: Tensor, is_padding: Tensor) -> dict[str, float]:
        """Return numbers to monitor in training, of frames (B, T, D).

        ``p`` is the mean rate that they would have outside of training.
        """
        warm = self.temperature * self.score(x[:, 1:].float(), x[:, :-1].float())
        rate = _rate(warm + self.offset.value)
        return {
            "p": rate[~is_padding[:, 1:]].mean().item(),
            "temperature": self.temperature.item(),
            "threshold": self.threshold.item(),
        }

    def observe(self, x: Tensor, is_padding: Tensor) -> None:
        """Follow, in training, what frames (B, T, D) mostly are."""

    def score(self, x: Tensor, before: Tensor) -> Tensor:
        """Rate each frame, given the one before it, both (B, T, D): (B, T)."""
        raise NotImplementedError

    def forward(
        self,
        x: Tensor,
        is_padding: Tensor,
        keep_ratio: float | Tensor,
        state: RouterState | None = None,
    ) -> tuple[Routing, RouterState]:
        """Mark where segments begin; a frame's answer depends on none after it.

        Arguments
        ---------
        x : Tensor
            (B, T, D); finite, but without influence at padding.
        is_padding : Tensor
            (B, T) bool.
        keep_ratio : float | Tensor
            Share of the frames that are to begin segments, above 0, at most 1; () on
            their device.
        state : RouterState | None
            After the frames before; None at the beginning, where one segment begins.

        Returns
        -------
        routing : Routing
            Of (B, T) frames.
        state : RouterState
            After these frames.
        """
        last = state.last if state else x[:, :1]
        padded = torch.cat([last, x], dim=1)
        # bf16 would move boundaries
        with torch.autocast(x.device.type, enabled=False):
            dtype = torch.promote_types(x.dtype, torch.float32)
            rate = self.rate(padded.to(dtype), is_padding, keep_ratio)
        reached = state.reached if state else None
        routing, reached = accumulate(rate, is_padding, reached)
        return routing, RouterState(reached, padded[:, -1:])

    def rate(
        self, padded: Tensor, is_padding: Tensor, keep_ratio: float | Tensor
    ) -> Tensor:
        """Return the rates (B, T) of frames, with one before them, (B, 1 + T, D)."""
        x, before = padded[:, 1:], padded[:, :-1]
        if self.training:
            self.observe(x, is_padding)
        warm = self.temperature * self.score(x, before).float()
        offset = self.offset.value
        # first frames have nothing before them, and begin segments in any case
        if (self.training or self.is_calibrating) and warm[:, 1:].numel():
            is_scored = ~is_padding[:, 1:].flatten()
            scored = warm.detach()[:, 1:].flatten()
            found, is_known = (
                rate_offset(scored, keep_ratio, is_scored),
                is_scored.any(),
            )
            offset = torch.where(is_known, found, offset)
            self.offset.follow(found, is_known)
        return _rate(warm + offset)


def _rate(warm: Tensor) -> Tensor:
    return warm.clamp(max=0).exp()
