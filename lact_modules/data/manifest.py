"""Manifests: one JSON object a line, one line an utterance (NeMo's format)."""

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from lact_modules.errors import InputError


@dataclass(frozen=True)
class Utterance:
    """One recorded utterance.

    Arguments
    ---------
    id : str
        Unique within its manifest.
    audio_filepath : str
        Audio file; in a manifest it may be relative to the manifest's folder.
    text : str
        Transcript.
    duration : float
        Seconds.
    speaker : str
        Speaker, empty if unknown.
    offset : float
        Seconds into the file at which the utterance begins.

    Example
    -------
    >>> Utterance("1-1-0000", "1-1-0000.flac", "ONE TWO", 1.5, speaker="1").duration
    1.5
    """

    id: str
    audio_filepath: str
    text: str
    duration: float
    speaker: str = ""
    offset: float = 0.0


def write_manifest(path: str | Path, utterances: Iterable[Utterance]) -> None:
    """Write a manifest; a reader never sees half of it.

    Arguments
    ---------
    path : str | Path
        JSON-lines file; its folder is made.
    utterances : Iterable[Utterance]
        What to write, in order.

    Example
    -------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "train.jsonl"
    >>> write_manifest(path, [Utterance("a", "a.wav", "ONE", 1.0)])
    >>> read_manifest(path)[0].text
    'ONE'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".part")
    with open(unfinished, "w", encoding="utf-8") as stream:
        for utterance in utterances:
            stream.write(json.dumps(asdict(utterance), ensure_ascii=False) + "\n")
    os.replace(unfinished, path)


def read_manifest(path: str | Path) -> list[Utterance]:
    """Read a manifest, also one written by other tools (NeMo).

    A missing ``id`` becomes the line number; relative audio paths are taken from
    the manifest's folder.

    Arguments
    ---------
    path : str | Path
        JSON-lines file.

    Returns
    -------
    list[Utterance]
        In the order of the file.

    Raises
    ------
    InputError
        If the file is missing or empty, or a line is not such an object.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such manifest; give a .jsonl file or prepare one")
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a manifest, which is UTF-8 text") from error
    utterances = [
        _parse_line(line, f"{path}:{number}", path.parent)
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]
    if not utterances:
        raise InputError(f"{path}: the manifest has no utterances")
    return utterances


def _parse_line(line: str, place: str, folder: Path) -> Utterance:
    try:
        entry = json.loads(line)
        if not isinstance(entry["text"], str):
            raise TypeError("text is not a string")
        return Utterance(
            id=str(entry.get("id", place.rpartition(":")[2])),
            audio_filepath=str(folder / entry["audio_filepath"]),
            text=entry["text"],
            duration=float(entry.get("duration") or 0.0),
            speaker=str(entry.get("speaker", "")),
            offset=float(entry.get("offset") or 0.0),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{place}: not a manifest line ({type(error).__name__}: {error}); want "
            '{"audio_filepath": ..., "text": ..., "duration": ...}'
        ) from error
