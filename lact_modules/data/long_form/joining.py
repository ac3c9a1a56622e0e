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

    Arguments
    ---------
    utterances : Sequence[Utterance]
        In order.
    max_seconds : float | None
        Of a stream that has more than one utterance, gaps included; None: any.
    gap : float
        Seconds between two utterances.
    draw_count : Callable[[], int] | None
        Gives the number of utterances, from 1 on, that the next stream has at most;
        None: any.

    Returns
    -------
    list[Stream]
        All utterances in their order.

    Example
    -------
    >>> utterances = [Utterance(name, "a.wav", "A", 2.0) for name in "abcde"]
    >>> [len(stream) for stream in pack(utterances, max_seconds=5.0, gap=0.5)]
    [2, 2, 1]
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
    """Return the seconds of a stream.

    Arguments
    ---------
    stream : Sequence[Utterance]
        Its utterances.
    gap : float
        Seconds between two of them.

    Returns
    -------
    float
        From the beginning of the first to the end of the last.

    Example
    -------
    >>> two = (Utterance("a", "a.wav", "A", 2.0), Utterance("b", "b.wav", "B", 1.5))
    >>> duration(two), duration(two, gap=0.25)
    (3.5, 3.75)
    """
    seconds = sum(utterance.duration for utterance in stream)
    return seconds + gap * max(len(stream) - 1, 0)


def transcribe(stream: Sequence[Utterance]) -> str:
    """Return the transcript of a stream.

    Arguments
    ---------
    stream : Sequence[Utterance]
        Its utterances.

    Returns
    -------
    str
        Their texts, with a blank between two.

    Example
    -------
    >>> a, b = (Utterance(i, "a.wav", i, 2.0) for i in "AB")
    >>> transcribe((a, b))
    'A B'
    """
    return " ".join(utterance.text for utterance in stream if utterance.text)


def join_signals(signals: Sequence[Tensor], gap: float = 0.0) -> Tensor:
    """Join signals, with silence between them.

    Arguments
    ---------
    signals : Sequence[Tensor]
        (N,) each, at 16 kHz.
    gap : float
        Seconds of silence between two.

    Returns
    -------
    Tensor
        (N,); empty if there are none.

    Example
    -------
    >>> join_signals([torch.ones(2), torch.ones(1)], gap=2 / 16000)
    tensor([1., 1., 0., 0., 1.])
    """
    if not signals:
        return torch.empty(0)
    silence = signals[0].new_zeros(_gap_samples(gap))
    parts = [part for signal in signals for part in (silence, signal)]
    return torch.cat(parts[1:])


def find_starts(signals: Sequence[Tensor], gap: float = 0.0) -> list[int]:
    """Return where the signals begin that `join_signals` joins.

    Arguments
    ---------
    signals : Sequence[Tensor]
        (N,) each, at 16 kHz.
    gap : float
        Seconds of silence between two.

    Returns
    -------
    list[int]
        The first sample of each.

    Example
    -------
    >>> find_starts([torch.ones(2), torch.ones(1)], gap=2 / 16000)
    [0, 4]
    """
    lengths = [len(signal) + _gap_samples(gap) for signal in signals]
    return [0, *accumulate(lengths)][:-1]


def _gap_samples(gap: float) -> int:
    return round(gap * SAMPLE_RATE)
