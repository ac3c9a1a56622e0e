"""The fields of an utterance in an entry of a manifest, apart from times."""

import math
import reprlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lact_modules.data.manifest.audio_paths import find_audio
from lact_modules.data.manifest.columns import REQUIRED, rename_columns
from lact_modules.errors import InputError


def read_fields(
    entry: Mapping[str, Any],
    place: str,
    folder: str | Path,
    placeholder: str | Path | None = None,
    required: Sequence[str] = REQUIRED,
) -> dict[str, Any]:
    """Read and check fields other than times, by names of `Utterance`.

    Id and text are empty if there are none; `place` is for messages, paths are resolved
    by `find_audio`.
    """
    try:
        fields = rename_columns(entry)
    except InputError as error:
        raise InputError(f"{place}: {error}") from error
    for field in required:
        if not isinstance(fields.get(field), str):
            raise not_an_utterance(place, f"{field} is missing or no string")
    try:
        return {
            "id": _read_name(fields, "id"),
            "audio_filepath": find_audio(
                _check(fields["audio_filepath"]), folder, placeholder
            ),
            "text": _check(fields["text"]) if "text" in required else "",
            "speaker": _read_name(fields, "speaker"),
            "channel": _read_channel(fields.get("channel")),
            "recording": _read_recording(fields),
            "order": _read_order(fields.get("order")),
        }
    except InputError as error:
        raise InputError(f"{place}: {error}") from error


def not_an_utterance(place: str, reason: str) -> InputError:
    """Return the error for a line of a manifest, with the expected form."""
    return InputError(
        f"{place}: not a manifest line ({reason}); expected "
        '{"audio_filepath": ..., "text": ..., "duration": ...}'
    )


def _check(text: str) -> str:
    """Refuse what no file name and no transcript can hold."""
    if "\0" in text:
        raise InputError(f"{reprlib.repr(text)} holds a NUL; remove it")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{reprlib.repr(text)} is no Unicode text; repair it"
        ) from error
    return text


def _read_name(fields: Mapping[str, Any], field: str) -> str:
    """Read a name, which may be a number; 0 is one."""
    value = fields.get(field)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InputError(f"{field} is {reprlib.repr(value)}; expected a string")
    return _check(str(value))


def _read_recording(fields: Mapping[str, Any]) -> str | None:
    """Name what an utterance is a part of; few need it, so what is no name is none."""
    names = ("recording", "chapter", "speaker")
    recording, chapter, speaker = (_name_or_none(fields.get(name)) for name in names)
    if recording or chapter is None:
        return recording
    # every speaker has a first one
    return chapter if speaker is None else f"{speaker}-{chapter}"


def _name_or_none(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return _check(str(value)).strip() or None


def _read_order(value: Any) -> float | None:
    """Read a place within a recording; what is no number is none."""
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _read_channel(value: Any) -> int | None:
    """Read a channel's number; tables hold it as text."""
    if value is None or value == "":
        return None
    text = str(value).strip()
    # more digits than any number of channels
    if (
        isinstance(value, bool)
        or not (text.isdecimal() and text.isascii())
        or len(text) > 4
    ):
        raise InputError(f"channel is {reprlib.repr(value)}; expected 0, 1, ...")
    return int(text)
