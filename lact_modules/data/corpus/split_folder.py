"""Read one split in LibriSpeech's layout, and verify every utterance."""

import math
import re
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from lact_modules.data.corpus.inspection import (
    Limits,
    Skipped,
    inspect_all,
    inspect_recording,
)
from lact_modules.data.manifest.manifest import Utterance
from lact_modules.data.source.collect import AUDIO_SUFFIXES
from lact_modules.data.source.file_tree import Siblings, find_files
from lact_modules.data.text.sentences import read_lines
from lact_modules.errors import InputError

_TRANSCRIPTS_ENDING = ".trans.txt"


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
    channel: int | None = None,
) -> tuple[list[Utterance], list[Skipped]]:
    """Read transcripts, decode the audio, and separate usable utterances from others.

    The folder holds ``<speaker>/<chapter>/*.trans.txt`` with the audio beside; see
    `find_files` for links and hidden files. Both lists are sorted by id. An utterance's
    recording is its chapter, its place there the number that its id ends in. Raises
    InputError if an id has two transcripts, or no utterance is usable.
    """
    split_folder = Path(split_folder).resolve()
    files = _list_files(split_folder)
    entries = _read_entries(split_folder, files)
    limits = Limits(min_duration, max_duration, channel=channel)
    inspect = partial(_inspect, limits=limits, audio=Siblings(files))
    return inspect_all(split_folder, entries, inspect, num_workers)


def read_texts(split_folder: str | Path) -> list[str]:
    """Read the texts of a split, sorted by id, whether or not there is audio to them.

    Empty ones are skipped.
    """
    split_folder = Path(split_folder)
    entries = _read_entries(split_folder, _list_files(split_folder))
    return [entry.text for entry in entries if entry.text]


def find_transcripts(split_folder: Path, files: Iterable[Path]) -> list[Path]:
    """Return files called ``<speaker>/<chapter>/*.trans.txt``, in either case."""
    depth = len(split_folder.parts) + 3
    return [p for p in files if len(p.parts) == depth and is_transcript_file(p)]


def is_transcript_file(path: Path) -> bool:
    """Return whether a file holds transcripts, by its name."""
    return path.name.lower().endswith(_TRANSCRIPTS_ENDING)


def read_transcript_file(path: Path) -> Iterator[tuple[str, str]]:
    """Read ids, and texts with a space between words, from a ``.trans.txt``."""
    for line in read_lines(path):
        utterance_id, *words = line.split()
        yield utterance_id, " ".join(words)


def _list_files(split_folder: Path) -> list[Path]:
    if not split_folder.is_dir():
        raise InputError(f"{split_folder}: no such folder; give a split's folder")
    return find_files(split_folder)


def _read_entries(split_folder: Path, files: list[Path]) -> list[_Entry]:
    entries = sorted(
        _Entry(utterance_id, text, path.parent, path.parent.parent.name)
        for path in find_transcripts(split_folder, files)
        for utterance_id, text in read_transcript_file(path)
    )
    if not entries:
        raise InputError(
            f"{split_folder}: no transcripts; "
            "expected <speaker>/<chapter>/*.trans.txt with audio beside them"
        )
    for entry, following in pairwise(entries):
        if entry.id == following.id:
            raise InputError(
                f"{split_folder}: utterance {entry.id} has two transcripts, in "
                f"{entry.folder} and {following.folder}; remove one"
            )
    return entries


def _inspect(entry: _Entry, limits: Limits, audio: Siblings) -> Utterance | Skipped:
    if not entry.text:
        return Skipped(entry.id, "empty transcript", str(entry.folder))
    path = audio.find(entry.folder / entry.id, AUDIO_SUFFIXES)
    if path is None:
        return Skipped(entry.id, "missing audio", f"none of {AUDIO_SUFFIXES}")
    number = re.search(r"\d+$", entry.id, re.ASCII)
    utterance = Utterance(
        entry.id,
        str(path),
        entry.text,
        duration=0.0,
        speaker=entry.speaker,
        recording=f"{entry.speaker}-{entry.folder.name}",
        order=int(number[0]) if number else None,
    )
    return inspect_recording(utterance, limits)
