"""Which part of its file an utterance is, by the times of its manifest."""

import math
import re
import reprlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from lact_modules.data.manifest.columns import Time, find_columns
from lact_modules.data.manifest.units import (
    TOLERANCE,
    Pair,
    check_seconds,
    find_unit,
    rate_of,
)
from lact_modules.errors import InputError

# No recording is longer; numbers beyond are damaged, and overflow as samples.
_MAX_SECONDS = 1e7
# Decimals of a second that keep every sample apart.
_PRECISION = 9

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?", re.ASCII | re.I)


class Segment(NamedTuple):
    """A part of an audio file, in seconds; of duration 0 if it reaches to the end."""

    offset: float = 0.0
    duration: float = 0.0


class Timed(NamedTuple):
    """An entry of a manifest whose times are to be read; its place, for messages."""

    place: str
    audio: str
    entry: Mapping[str, Any]


class _StatedTime(NamedTuple):
    """A time as an entry states it: the column's name and meaning, the number."""

    name: str
    time: Time
    number: float


def read_segments(timed: Sequence[Timed]) -> list[Segment]:
    """Read the times of a manifest's entries.

    They are in seconds, or in the unit of their column's name (``start_ms``,
    ``end_samples``). ``start`` and ``stop`` together count samples in SpeechBrain's
    manifests, and seconds in those of others: the unit is taken that fits all entries,
    that is, their durations or else the lengths of their files.
    """
    read = [_read_times(each) for each in timed]
    pairs = [
        pair
        for each, stated in zip(timed, read, strict=True)
        if (pair := _find_pair(each, stated)) is not None
    ]
    unit = find_unit(pairs) if pairs else "s"
    _check_median(timed, read, unit)
    return [
        _make_segment(each, stated, unit)
        for each, stated in zip(timed, read, strict=True)
    ]


def _read_times(timed: Timed) -> list[_StatedTime]:
    """Read the numbers of an entry, without cells that are empty."""
    stated = []
    for name, time in find_columns(timed.entry).times.items():
        value = timed.entry[name]
        if value is not None and value != "":
            number = _read_number(value, f"{timed.place}: not a manifest line", name)
            stated.append(_StatedTime(name, time, number))
    return stated


def _read_number(value: Any, fault: str, name: str) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(value, str):
        is_number = _NUMBER.fullmatch(value.strip()) is not None
    try:
        number = float(value) if is_number else math.nan
    except OverflowError:
        number = math.inf
    if not 0 <= number < math.inf:
        raise InputError(
            f"{fault} ({name} is {reprlib.repr(value)}); expected a number from 0 on, "
            "such as 1.5, or nothing"
        )
    return number


def _find_pair(timed: Timed, stated: list[_StatedTime]) -> Pair | None:
    """Return an entry's times of an unknown unit, if it has an end of such."""
    unknown = {
        each.time.field: each.number for each in stated if each.time.unit is None
    }
    if "end" not in unknown:
        return None
    durations = [
        _in_seconds(each, timed.audio, "s")
        for each in stated
        if each.time.field == "duration"
    ]
    start = unknown.get("offset", 0.0)
    return Pair(timed.place, timed.audio, start, unknown["end"], max([0, *durations]))


def _check_median(
    timed: Sequence[Timed], read: Sequence[list[_StatedTime]], pair_unit: str
) -> None:
    """Compare the times in the middle of all with their file: one may be a slip."""
    seconds = [
        {
            each.name: each.number
            for each in stated
            if (each.time.unit or pair_unit) == "s" and each.number
        }
        for stated in read
    ]
    order = sorted(
        (max(times.values()), index) for index, times in enumerate(seconds) if times
    )
    if order:
        _, index = order[len(order) // 2]
        check_seconds(timed[index].place, timed[index].audio, seconds[index])


def _make_segment(timed: Timed, stated: list[_StatedTime], pair_unit: str) -> Segment:
    """Bring the times of an entry together."""
    found: dict[str, tuple[str, float]] = {}
    for each in stated:
        seconds = _in_seconds(each, timed.audio, pair_unit)
        if seconds > _MAX_SECONDS:
            raise InputError(
                f"{timed.place}: not a manifest line ({each.name} is {seconds:g} s, "
                "longer than any recording); correct it"
            )
        name, other = found.setdefault(each.time.field, (each.name, seconds))
        if abs(seconds - other) > TOLERANCE:
            raise InputError(
                f"{timed.place}: {name} is {other:g} s, but {each.name} {seconds:g} s; "
                "remove one"
            )
    offset = found.get("offset", ("", 0.0))[1]
    duration = found.get("duration", ("", 0.0))[1]
    if "end" in found:
        duration = _until(found["end"], offset, duration, timed.place)
    return Segment(round(offset, _PRECISION), round(duration, _PRECISION))


def _in_seconds(stated: _StatedTime, audio: str, pair_unit: str) -> float:
    unit = stated.time.unit or pair_unit
    if unit == "ms":
        return stated.number / 1000
    if unit == "samples":
        return stated.number / rate_of(audio)
    return stated.number


def _until(
    named_end: tuple[str, float], offset: float, stated: float, place: str
) -> float:
    """Return the duration up to an end, if no other time contradicts it."""
    name, end = named_end
    if end <= offset:
        raise InputError(
            f"{place}: {name} is {end:g} s, but the utterance begins at {offset:g} s; "
            "correct one"
        )
    duration = end - offset
    if stated and abs(duration - stated) > TOLERANCE:
        raise InputError(
            f"{place}: from {offset:g} s to {name}, {end:g} s, are {duration:g} s, but "
            f"duration is {stated:g} s; correct or remove one"
        )
    return duration
