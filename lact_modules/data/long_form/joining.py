"""Long-form audio: utterances joined one after the other, with a gap between them."""

from collections.abc import Callable, Sequence
from itertools import accumulate

import torch
from torch import Tensor

from lact_modules.data.audio import SAMPLE_RATE
from lact_modules.data.manifest.manifest import Utterance

Stream = tuple[Utterance, ...]
"""Utterances in their order."""

# durations are sums of floats
_ROUNDING = 1e-6


def pack(
    utterances: Sequence[Utterance],
    max_seconds: float | None,
    gap: float = 0.0,
    draw_count: Callable[[], int] | None = None,
) -> list[Stream]:
    """Cut a sequence of utterances into streams, each as long as it may be.

    `max_seconds`, gaps included, bound a stream of more than one utterance;
    `draw_count` gives the most utterances of the next stream. Order stays.
    """
    streams: list[Stream] = []
    start = 0
    while start < len(utterances):
        count = draw_count() if draw_count else len(utterances)
        stop, seconds = start + 1, utterances[start].duration
        for utterance in utterances[stop : start + count]:
            seconds += gap + utterance.duration
            if max_seconds is not None and seconds > max_seconds + _ROUNDING:
                break
            stop += 1
        streams.append(tuple(utterances[start:stop]))
        start = stop
    return streams


def duration(stream: Sequence[Utterance], gap: float = 0.0) -> float:
    """Return the seconds of a stream, gaps between two utterances included."""
    seconds = sum(utterance.duration for utterance in stream)
    return seconds + gap * max(len(stream) - 1, 0)


def transcribe(stream: Sequence[Utterance]) -> str:
    """Return the utterances' texts, with a space between two."""
    return " ".join(utterance.text for utterance in stream if utterance.text)


def join_signals(signals: Sequence[Tensor], gap: float = 0.0) -> Tensor:
    """Join signals (N,) at 16 kHz, with `gap` seconds of silence between two."""
    if not signals:
        return torch.empty(0)
    silence = signals[0].new_zeros(_gap_samples(gap))
    parts = [part for signal in signals for part in (silence, signal)]
    return torch.cat(parts[1:])


def find_starts(signals: Sequence[Tensor], gap: float = 0.0) -> list[int]:
    """Return the samples at which the signals begin that `join_signals` joins."""
    lengths = [len(signal) + _gap_samples(gap) for signal in signals]
    return [0, *accumulate(lengths)][:-1]


def _gap_samples(gap: float) -> int:
    return round(gap * SAMPLE_RATE)
