"""Pauses of silence or quiet noise, put before, after and into utterances."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from lact_modules.data.audio import SAMPLE_RATE
from lact_modules.data.corruption import rms

# Between words there are 20 ms this far below the level of the whole.
_GAP, _GAP_DB = SAMPLE_RATE // 50, -20.0
# Share of the pauses that are digital silence, as of a muted microphone.
_ZEROS = 0.3
# Noise of the others: decibels against the utterance; exponent of its power's fall.
_LEVEL_DB, _FALL = (-60.0, -12.0), (0.0, 2.0)


class Pauses:
    """Lengthen utterances by pauses, so that a model learns to output no words there.

    Each draws from torch's global generator on the CPU. An inner pause goes between two
    words: where it is far quieter than elsewhere; there is none if nothing is.
    """

    def __init__(self, prob: float, seconds: Sequence[float]):
        self.prob, (self.shortest, self.longest) = prob, seconds

    def __call__(self, waveform: Tensor) -> Tensor:
        """Lengthen an utterance (N,) float32, at 16 kHz and unpadded."""
        level = rms(waveform) if len(waveform) else waveform.new_zeros(())
        parts, gap = [waveform], self._draw_gap(waveform, level)
        if gap and _happens(self.prob):
            parts = [waveform[:gap], self._make(level), waveform[gap:]]
        if _happens(self.prob):
            parts = [self._make(level), *parts]
        if _happens(self.prob):
            parts = [*parts, self._make(level)]
        return torch.cat(parts)

    def _draw_gap(self, waveform: Tensor, level: Tensor) -> int | None:
        """Draw a sample between two words."""
        pieces = waveform[: len(waveform) // _GAP * _GAP].view(-1, _GAP)
        is_quiet = pieces.square().mean(1).sqrt() < level * 10 ** (_GAP_DB / 20)
        # after the first that is not, and before the last
        is_within = (~is_quiet).cummax(0).values & (~is_quiet).flip(0).cummax(
            0
        ).values.flip(0)
        places = (is_quiet & is_within).nonzero()[:, 0]
        if not len(places):
            return None
        drawn = int(places[torch.randint(len(places), ())])
        return drawn * _GAP + _GAP // 2

    def _make(self, level: Tensor) -> Tensor:
        """Make a pause beside speech of a level."""
        seconds = (
            self.shortest * (self.longest / self.shortest) ** torch.rand(()).item()
        )
        pause = torch.zeros(round(seconds * SAMPLE_RATE))
        if len(pause) and not _happens(_ZEROS):
            noise = _make_noise(len(pause), _uniform(*_FALL))
            pause = noise * 10 ** (_uniform(*_LEVEL_DB) / 20)
        return pause.to(level.device) * level


def _make_noise(num_samples: int, fall: float) -> Tensor:
    """Make noise of level 1, white at 0, power falling with frequency to `fall`."""
    spectrum = torch.fft.rfft(torch.randn(num_samples))
    frequencies = torch.arange(1, len(spectrum) + 1)
    noise = torch.fft.irfft(spectrum * frequencies ** (-fall / 2), num_samples)
    return noise / rms(noise).clamp(min=math.ulp(0.0))


def _happens(prob: float) -> bool:
    return torch.rand(()).item() < prob


def _uniform(low: float, high: float) -> float:
    return low + (high - low) * torch.rand(()).item()
