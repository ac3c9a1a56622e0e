"""What the manifests of many tools call the same thing."""

import functools
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from lact_modules.errors import InputError

_NAMES = {
    "audio_filepath": (
        *("audio_filepath", "wav", "path", "file", "audio"),
        *("audio_path", "filename", "file_name", "audio_file"),
    ),
    "text": ("text", "wrd", "transcript", "transcription", "sentence", "words"),
    "id": ("id", "utt_id", "utterance_id"),
    "channel": ("channel",),
    "speaker": ("speaker", "spk_id", "speaker_id", "client_id"),
    "recording": (
        *("recording", "recording_id", "rec_id", "session", "session_id"),
        *("conversation", "conversation_id", "meeting", "meeting_id", "call_id"),
    ),
    # a number within what a speaker reads
    "chapter": ("chapter", "chapter_id"),
    "order": (
        *("order", "utterance_index", "utt_index", "segment_index", "turn"),
        *("turn_index", "sequence_number"),
    ),
}

REQUIRED = ("audio_filepath", "text")
"""What each utterance of a data set has; without `text`, it can be transcribed."""

_ALL_NAMES = frozenset(name for synonyms in _NAMES.values() for name in synonyms)

Unit = Literal["s", "ms", "samples"]
"""What a time counts."""


class Time(NamedTuple):
    """What the column of a time means; the unit is None if seconds or samples."""

    field: Literal["offset", "end", "duration"]
    unit: Unit | None


_TIME_NAMES: dict[Literal["offset", "end", "duration"], tuple[str, ...]] = {
    "offset": ("offset", "start", "start_time", "begin"),
    "end": ("end", "stop", "end_time", "stop_time"),
    "duration": ("duration", "length"),
}
# of other things too: it counts where no other column has the length of an utterance
_LAST_RESORT = re.compile("length(?:_[a-z]+)?")
_SUFFIXES: dict[str, Unit] = {
    "": "s",
    "_s": "s",
    "_sec": "s",
    "_seconds": "s",
    "_ms": "ms",
    "_samples": "samples",
}
_TIMES = {
    name + suffix: Time(field, unit)
    for field, names in _TIME_NAMES.items()
    for name in names
    for suffix, unit in _SUFFIXES.items()
}
# SpeechBrain's pair counts samples, other people's seconds
_UNDECIDED = {"start", "stop"}

_MARK = r"(?:start|begin|end|stop|finish|offset|onset)"
_MEASURE = r"(?:times?|s|secs?|seconds?|ms|msecs?|millis(?:econds)?|samples?|frames?)"
# a name of one part more, such as segment_start or start_frame
_LIKE_A_TIME = re.compile(
    rf"(?:[a-z]+_)?{_MARK}(?:_?{_MEASURE})?(?:_{_MEASURE})?"
    "|from|to|xmin|xmax|tmin|tmax|position"
)
_LIKE_A_DURATION = re.compile(rf"(?:[a-z]+_)?(?:dur|duration|length)(?:_?{_MEASURE})?")


class Columns(NamedTuple):
    """A table's columns by field of `Utterance`; what its columns of times mean."""

    fields: dict[str, str]
    times: dict[str, Time]


def find_columns(names: Collection[str]) -> Columns:
    """Find the columns of a table that hold the fields of an utterance, in any case.

    A field that has several columns takes the best known; times are all given. Raises
    InputError if a known column is a duplicate, or one looks like a time that is not
    known and might name a part of a file.
    """
    return _find_columns(tuple(names))


# of JSON lines, most have the same keys
@functools.lru_cache(maxsize=256)
def _find_columns(names: tuple[str, ...]) -> Columns:
    by_name: dict[str, str] = {}
    for name in names:
        plain = name.strip().lower()
        if plain in by_name and (plain in _TIMES or plain in _ALL_NAMES):
            raise InputError(f"column {by_name[plain]!r} appears twice; remove one")
        by_name.setdefault(plain, name)
    fields = {}
    for field, synonyms in _NAMES.items():
        present = [by_name[synonym] for synonym in synonyms if synonym in by_name]
        if present:
            fields[field] = present[0]
    known = [name for name in by_name if name in _TIMES]
    first = [name for name in known if not _LAST_RESORT.fullmatch(name)]
    if any(_TIMES[name].field in ("end", "duration") for name in first):
        known = first
    times = {by_name[name]: _TIMES[name] for name in known}
    if by_name.keys() >= _UNDECIDED:
        for name in _UNDECIDED:
            times[by_name[name]] = _TIMES[name]._replace(unit=None)
    _check_times(by_name, {time.field for time in times.values()})
    return Columns(fields, times)


def _check_times(names: Mapping[str, str], given: set[str]) -> None:
    """Refuse names that may be of an utterance's begin or end."""
    for name, written in names.items():
        is_time = _LIKE_A_TIME.fullmatch(name) or (
            # without a beginning, an utterance is all of its file
            given == {"offset"} and _LIKE_A_DURATION.fullmatch(name)
        )
        if is_time and name not in _TIMES:
            raise InputError(
                f"column {written!r} may be a time, but not a known one; call it "
                "start, end or duration if it is one within the audio file (with _ms "
                "or _samples behind, if not in seconds), else remove or rename it"
            )


def rename_columns(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entry's values by the fields of `Utterance`, without times."""
    return {field: entry[name] for field, name in find_columns(entry).fields.items()}


def missing_columns(
    names: Collection[str], required: Sequence[str] = REQUIRED
) -> list[str]:
    """Describe the columns that a table lacks, each with its possible names."""
    found = find_columns(names).fields
    return [
        f"{field} ({', '.join(_NAMES[field][1:])})"
        for field in required
        if field not in found
    ]
