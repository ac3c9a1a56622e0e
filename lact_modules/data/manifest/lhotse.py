"""Cuts of Lhotse, read by Lhotse itself where it is installed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lact_modules.errors import InputError


def is_cut(entry: dict[str, Any]) -> bool:
    """Return whether a line of JSON is a cut of any kind."""
    return str(entry.get("type", "")).endswith("Cut")


def read_cuts(path: str | Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Read the supervisions of cuts, each an utterance by its fields, with the number.

    A cut is to be a part of one channel of an audio file; InputError else, or without
    lhotse.
    """
    try:
        from lhotse import CutSet
    except ImportError as error:
        raise InputError(
            f"{path}: cuts of Lhotse are read by lhotse; pip install 'lact-asr[lhotse]'"
        ) from error
    try:
        for number, cut in enumerate(CutSet.from_file(path), start=1):
            source = _source(cut, f"{path}:{number}")
            for supervision in cut.supervisions:
                start = max(supervision.start, 0.0)
                yield (
                    number,
                    {
                        "id": supervision.id,
                        "audio_filepath": source,
                        "text": supervision.text,
                        "duration": min(supervision.end, cut.duration) - start,
                        "offset": cut.start + start,
                        "speaker": supervision.speaker or "",
                    },
                )
    except InputError:
        raise
    # lhotse raises many kinds of errors for files that are not its own
    except (OSError, ValueError, TypeError, KeyError, AssertionError) as error:
        raise InputError(f"{path}: not a set of Lhotse's cuts ({error})") from error


def _source(cut: Any, place: str) -> str:
    """Return the path of a cut's audio file."""
    recording: Any = getattr(cut, "recording", None)
    sources = recording.sources if recording is not None else []
    is_file = len(sources) == 1 and sources[0].type == "file"
    if not is_file or len(sources[0].channels) > 1 or recording.transforms:
        raise InputError(
            f"{place}: cut {cut.id} is not a part of one audio file of one channel; "
            "write its audio to files first (lhotse: CutSet.save_audios)"
        )
    return str(sources[0].source)
