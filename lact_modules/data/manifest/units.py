"""The units of a manifest's times, where their columns do not name them."""

import functools
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from lact_modules.data.media.duration import audio_duration, audio_rate
from lact_modules.errors import InputError

TOLERANCE = 0.1
"""Seconds by which rounded times may differ."""

# Seconds; no utterance is shorter.
_MIN_SECONDS = 0.02
# Seconds; less would be no utterance in another unit either.
_PLAUSIBLE = 0.1
# Seconds by which a file may be shorter than in its manifest.
_MARGIN = 0.5


class Pair(NamedTuple):
    """Numbers of ``start`` and ``stop``, which are seconds or samples."""

    place: str
    audio: str
    start: float
    stop: float
    duration: float

    @property
    def is_whole(self) -> bool:
        """Whether both can be samples."""
        return self.start.is_integer() and self.stop.is_integer()


def find_unit(pairs: Sequence[Pair]) -> Literal["s", "samples"]:
    """Find what all pairs can count, by their durations or the lengths of their files.

    Raises InputError if both units fit, or neither.
    """
    if not all(pair.is_whole for pair in pairs):
        return "s"
    if all(pair.duration and _fits(pair, 1.0) for pair in pairs):
        return "s"
    fitting: list[tuple[bool, bool]] = []
    for pair in pairs:
        fitting.append((_fits(pair, 1.0), _fits(pair, rate_of(pair.audio))))
        if fitting[-1] == (False, False):
            raise InputError(
                f"{pair.place}: start {pair.start:g} and stop {pair.stop:g} fit "
                f"neither as seconds nor as samples: {_describe(pair)}; correct "
                "them"
            )
    seconds, samples = (all(column) for column in zip(*fitting, strict=True))
    if seconds == samples:
        raise InputError(
            f"{pairs[0].place}: start and stop may be seconds or samples; name them "
            "start and end if seconds, start_samples and end_samples if samples"
        )
    return "s" if seconds else "samples"


def check_seconds(place: str, audio: str, times: Mapping[str, float]) -> None:
    """Refuse times that only fit their file if they count something else.

    That is, if the file is shorter, and long enough for as many milliseconds or
    samples. Zeros are left out, and files that cannot be read.
    """
    try:
        length, rate = _seconds(audio), rate_of(audio)
    except InputError:
        return
    longest = max(times, key=lambda name: times[name])
    if times[longest] <= length + _MARGIN:
        return
    units = {"ms": ("milliseconds", 1000), "samples": ("samples", rate)}
    fitting = [
        f"{' and '.join(f'{name}_{ending}' for name in times)} if {unit}"
        for ending, (unit, each) in units.items()
        if all(
            _PLAUSIBLE <= number / each <= length + _MARGIN for number in times.values()
        )
    ]
    if fitting:
        raise InputError(
            f"{place}: {longest} is {times[longest]:g} s, but {audio} is {length:g} s "
            f"long; write {', or '.join(fitting)}"
        )


def _fits(pair: Pair, rate: float) -> bool:
    """Return whether a pair counts so many a second."""
    seconds = (pair.stop - pair.start) / rate
    if pair.duration:
        return abs(seconds - pair.duration) <= TOLERANCE
    last = _seconds(pair.audio) + TOLERANCE
    return seconds >= _MIN_SECONDS and pair.stop / rate <= last


def _describe(pair: Pair) -> str:
    rate = rate_of(pair.audio)
    if pair.duration:
        return f"duration is {pair.duration:g} s, the rate {rate} Hz"
    return f"{pair.audio} has {_seconds(pair.audio):g} s at {rate} Hz"


@functools.lru_cache(maxsize=4096)
def rate_of(path: str) -> int:
    """Read the rate of an audio file in Hz, once."""
    return audio_rate(path)


@functools.lru_cache(maxsize=4096)
def _seconds(path: str) -> float:
    return audio_duration(path)
