"""Read one split in LibriSpeech's layout, and verify every utterance."""

import math
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from lact_modules.data.inspection import (
    Limits,
    Skipped,
    inspect_all,
    inspect_recording,
)
from lact_modules.data.manifest import Utterance
from lact_modules.errors import InputError

AUDIO_EXTENSIONS = (".flac", ".wav", ".ogg", ".opus")


class _Entry(NamedTuple):
    """One line of a transcript file."""

    id: str
    text: str
    folder: Path
    speaker: str


def inspect_split(
    split_folder: str | Path,
    *,
    min_duration: float = 0.1,
    max_duration: float = math.inf,
    num_workers: int | None = None,
) -> tuple[list[Utterance], list[Skipped]]:
    """Read transcripts, decode the audio, and tell usable utterances from others.

    Arguments
    ---------
    split_folder : str | Path
        Holds ``<speaker>/<chapter>/*.trans.txt`` with the audio beside.
    min_duration : float
        Seconds; shorter utterances are skipped.
    max_duration : float
        Seconds; longer utterances are skipped.
    num_workers : int | None
        Threads; one a core if None.

    Returns
    -------
    tuple[list[Utterance], list[Skipped]]
        Usable utterances and the others, both sorted by id.

    Raises
    ------
    InputError
        If the folder is missing or has no transcripts, an id has two, or no
        utterance is usable.
    """
    split_folder = Path(split_folder).resolve()
    entries = _read_entries(split_folder)
    inspect = partial(_inspect, limits=Limits(min_duration, max_duration))
    return inspect_all(split_folder, entries, inspect, num_workers)


def read_texts(split_folder: str | Path) -> list[str]:
    """Read the transcripts of a split, whether or not there is audio to them.

    Arguments
    ---------
    split_folder : str | Path
        Holds ``<speaker>/<chapter>/*.trans.txt``.

    Returns
    -------
    list[str]
        Sorted by utterance id; empty ones are left out.

    Raises
    ------
    InputError
        If the folder is missing or has no transcripts, or an id has two.
    """
    entries = _read_entries(Path(split_folder))
    return [entry.text for entry in entries if entry.text]


def _read_entries(split_folder: Path) -> list[_Entry]:
    if not split_folder.is_dir():
        raise InputError(f"{split_folder}: no such folder; give a split's folder")
    entries = sorted(_parse_transcripts(split_folder))
    if not entries:
        raise InputError(
            f"{split_folder}: no transcripts; "
            "want <speaker>/<chapter>/*.trans.txt with audio beside them"
        )
    for entry, following in pairwise(entries):
        if entry.id == following.id:
            raise InputError(
                f"{split_folder}: utterance {entry.id} has two transcripts, in "
                f"{entry.folder} and {following.folder}; remove one"
            )
    return entries


def _parse_transcripts(split_folder: Path) -> Iterator[_Entry]:
    for path in split_folder.glob("*/*/*.trans.txt"):
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: not UTF-8 text ({error})") from error
        for line in lines:
            if words := line.split():
                yield _Entry(
                    id=words[0],
                    text=" ".join(words[1:]),
                    folder=path.parent,
                    speaker=path.parent.parent.name,
                )


def _inspect(entry: _Entry, limits: Limits) -> Utterance | Skipped:
    if not entry.text:
        return Skipped(entry.id, "empty transcript", str(entry.folder))
    candidates = [entry.folder / (entry.id + suffix) for suffix in AUDIO_EXTENSIONS]
    audio = next((path for path in candidates if path.is_file()), None)
    if audio is None:
        return Skipped(entry.id, "missing audio", f"none of {AUDIO_EXTENSIONS}")
    utterance = Utterance(entry.id, str(audio), entry.text, 0.0, entry.speaker)
    return inspect_recording(utterance, limits)
