"""Which frames of log-mel features are loud enough to be speech."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from lact_modules.ops.running import running_minimum

_DECIBEL = math.log(10) / 10

# Decibels below the peak from which on frames count, and count fully.
_NOT, _FULLY = 25.0, 15.0
# A peak lasts so many frames: a click does not.
_SUSTAINED = 5
# Decibels above the quietest of late where activity may begin, and surely has.
_STEADY, _MODULATED = 5.0, 10.0
# Decibels a frame: how fast the minimum rises, and the peak falls while active.
_RISE, _FALL = 0.2, 30 / 6000
# Frames in which the minimum rises by more than any two levels differ.
_FORGOTTEN = 1024
# Frames in which an exported graph carries the peak: 2.9 hours.
_HOURS = 2**20
# The first peak of a stream, of white noise at -60 dB: what is below is no speech.
_FIRST_PEAK = -15.0
# What steady sound counts in an utterance: all, where there is nothing else.
_LITTLE = 0.01


def measure_levels(features: Tensor) -> Tensor:
    """Return the power (B, T) of log-mel frames (B, T, M) in decibels."""
    return features.logsumexp(-1) / _DECIBEL


def weigh_frames(levels: Tensor, is_valid: Tensor) -> Tensor:
    """Weigh frames (B, T) by how near they come to the peak of their utterance.

    Levels are in decibels. The weight is 1 within 15 dB of the peak, 0 from 25 dB below
    it on and at padding, and linear between. The peak is the loudest that lasts for 5
    frames. Steady sound, which stays within 5 dB of the quietest of late, has a
    hundredth of that.
    """
    before = levels.new_full((levels.shape[0], _SUSTAINED - 1), torch.inf)
    sustained = _sustain(torch.cat([before, levels], dim=1))
    peak = sustained.where(is_valid, -torch.inf).amax(1, keepdim=True)
    going_on, _ = _watch(levels, before[:, :1])
    weights = _near(levels, peak) * going_on.clamp(min=_LITTLE)
    return weights.where(is_valid, 0.0)


class LoudnessState(NamedTuple):
    """Carried state of the loudness of streams, levels in decibels as float64.

    ``recent`` (B, 4) are those of the last frames, inf before the first. (B, 1) each,
    ``quietest`` is the level to which pauses fall, ``peak`` that which speech reaches,
    and ``loudest`` the highest that ``peak`` ever was.
    """

    recent: Tensor
    quietest: Tensor
    peak: Tensor
    loudest: Tensor

    @classmethod
    def start(cls, like: Tensor, batch_size: int) -> "LoudnessState":
        """Return the state before the first frame, on the device of a tensor."""
        full = like.double().new_full
        return cls(
            recent=full((batch_size, _SUSTAINED - 1), torch.inf),
            quietest=full((batch_size, 1), torch.inf),
            peak=full((batch_size, 1), _FIRST_PEAK),
            loudest=full((batch_size, 1), _FIRST_PEAK),
        )


def track_loudness(
    levels: Tensor, state: LoudnessState
) -> tuple[Tensor, Tensor, LoudnessState]:
    """Weigh the frames (B, T) of streams by those up to each: causal.

    As `weigh_frames`, but for two things. Where nothing is louder than the quietest of
    late, frames count nothing: that is steady noise, however long. And while there is
    something, the peak falls by 30 dB a minute, so that a quieter voice is noticed;
    pauses leave it where it is. The second result (B, T) is by how many decibels each
    frame has been the loudest so far, 0 or more.
    """
    going_on, quietest = _watch(levels, state.quietest)
    fallen = _FALL * going_on.cumsum(1)
    recent = torch.cat([state.recent, levels], dim=1)
    sustained = _sustain(recent)
    peaks = _highest(torch.cat([state.peak, sustained + fallen], dim=1))[:, 1:]
    peaks = peaks - fallen
    loudest = _highest(torch.cat([state.loudest, sustained], dim=1))
    state = LoudnessState(
        recent=recent[:, levels.shape[1] :],
        quietest=quietest,
        peak=peaks[:, -1:],
        loudest=loudest[:, -1:],
    )
    return going_on * _near(levels, peaks), loudest.diff(dim=1), state


def _watch(levels: Tensor, quietest: Tensor) -> tuple[Tensor, Tensor]:
    """Return the activity (B, T), from 0 to 1, and the quietest (B, 1)."""
    frames = torch.arange(1, levels.shape[1] + 1, device=levels.device)
    steps = _RISE * frames.to(levels.dtype)
    lowest = running_minimum(torch.cat([quietest, levels - steps], dim=1), _FORGOTTEN)
    floor = lowest[:, 1:] + steps
    going_on = (levels - floor - _STEADY) / (_MODULATED - _STEADY)
    return going_on.clamp(0, 1), floor[:, -1:]


def _highest(levels: Tensor) -> Tensor:
    """Return the highest so far."""
    return -running_minimum(-levels, _HOURS)


def _near(levels: Tensor, peak: Tensor) -> Tensor:
    return ((levels - peak + _NOT) / (_NOT - _FULLY)).clamp(0, 1)


def _sustain(levels: Tensor) -> Tensor:
    """Return the level (B, T) that each frame and the four before all reach."""
    last = levels.shape[1] - _SUSTAINED + 1
    return torch.stack([levels[:, i : last + i] for i in range(_SUSTAINED)]).amin(0)
