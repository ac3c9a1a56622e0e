"""Entries that begin where their file does, though others of the file do too."""

import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from lact_modules.data.manifest.columns import Columns, find_columns
from lact_modules.errors import InputError

logger = logging.getLogger(__name__)

# 1.5, 1,5, 0:01.5, 1.5s
_AMOUNT = re.compile(r"\d+(?::\d+)*(?:[.,]\d+)?\s*[a-z]{0,2}", re.ASCII | re.I)


class CheckedEntry(NamedTuple):
    """An entry of a manifest, with the fields that were read from it."""

    place: str
    audio: str
    channel: int | None
    text: str
    entry: Mapping[str, Any]


def check_beginnings(entries: Sequence[CheckedEntry]) -> None:
    """Find files that several entries begin at the beginning of, each with a text.

    They are a table of segments whose times were not understood, and refused, if
    numbers beside the texts differ. Otherwise one file may have been transcribed
    several times, and a warning is logged. The same text of a file may be listed any
    number of times, and so may several channels of it.
    """
    # most manifests name each file once
    count = Counter(each.audio for each in entries)
    shared: dict[tuple[str, int | None], list[CheckedEntry]] = {}
    for each in entries:
        if count[each.audio] > 1 and not _has_start(each.entry):
            shared.setdefault((each.audio, each.channel), []).append(each)
    doubtful = [
        group
        for group in shared.values()
        if len({" ".join(each.text.split()) for each in group}) > 1
    ]
    for group in doubtful:
        if names := _find_amounts(group):
            raise InputError(
                f"{_describe(group)}, though {' and '.join(map(repr, names))} "
                f"differ{'s' if len(names) == 1 else ''}; {_advise(group)}, and remove "
                "what is no time"
            )
    if doubtful:
        logger.warning("%s; if they are parts of it, %s", *_warn_of(doubtful))


def _warn_of(doubtful: Sequence[Sequence[CheckedEntry]]) -> tuple[str, str]:
    more = len(doubtful) - 1
    others = f" (and so with {more} more files)" if more else ""
    return _describe(doubtful[0]) + others, _advise(doubtful[0])


def _describe(group: Sequence[CheckedEntry]) -> str:
    first = group[0]
    return (
        f"{first.place}: {len(group)} entries begin where {first.audio} does, with "
        "different texts"
    )


def _advise(group: Sequence[CheckedEntry]) -> str:
    return (
        "call the time at which each begins start (or offset, begin, start_time), and "
        "its end end (or stop, end_time) or its length duration, with _ms or _samples "
        f"behind if not in seconds; now there are {', '.join(map(str, group[0].entry))}"
    )


def _has_start(entry: Mapping[str, Any]) -> bool:
    times = find_columns(entry).times
    return any(
        time.field == "offset" and entry.get(name) not in (None, "")
        for name, time in times.items()
    )


def _find_amounts(group: Sequence[CheckedEntry]) -> list[str]:
    """Find columns that hold another number in each entry of a file."""
    columns: Columns = find_columns(group[0].entry)
    # an order may be given in seconds
    understood = set(columns.fields.values()) - {columns.fields.get("order")}
    found = []
    for name in group[0].entry:
        values = [each.entry.get(name) for each in group]
        is_amount = name not in understood and all(map(_is_amount, values))
        if is_amount and len(set(map(str, values))) == len(values):
            found.append(name)
    return found


def _is_amount(value: Any) -> bool:
    """Return whether a value may be a time, or hold times."""
    if isinstance(value, list | tuple):
        return len(value) > 0 and all(map(_is_amount, value))
    if isinstance(value, Mapping):
        return any(map(_is_amount, value.values()))
    if isinstance(value, str):
        return _AMOUNT.fullmatch(value.strip()) is not None
    return isinstance(value, int | float) and not isinstance(value, bool)
