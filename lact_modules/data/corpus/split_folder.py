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

    Arguments
    ---------
    split_folder : str | Path
        Holds ``<speaker>/<chapter>/*.trans.txt`` with the audio beside; see
        `find_files` for links and hidden files.
    min_duration : float
        Seconds; shorter utterances are skipped.
    max_duration : float
        Seconds; longer utterances are skipped.
    num_workers : int | None
        Threads; one a core if None.
    channel : int | None
        Of the audio files, from 0; their mean if None.

    Returns
    -------
    tuple[list[Utterance], list[Skipped]]
        Usable utterances and the others, both sorted by id. What was recorded of an
        utterance is its chapter, and its place there the number that its id ends in.

    Raises
    ------
    InputError
        If the folder is missing or has no transcripts, an id has two, or no
        utterance is usable.
    """
    split_folder = Path(split_folder).resolve()
    files = _list_files(split_folder)
    entries = _read_entries(split_folder, files)
    limits = Limits(min_duration, max_duration, channel=channel)
    inspect = partial(_inspect, limits=limits, audio=Siblings(files))
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
        Sorted by utterance id; empty ones are skipped.

    Raises
    ------
    InputError
        If the folder is missing or has no transcripts, or an id has two.
    """
    split_folder = Path(split_folder)
    entries = _read_entries(split_folder, _list_files(split_folder))
    return [entry.text for entry in entries if entry.text]


def find_transcripts(split_folder: Path, files: Iterable[Path]) -> list[Path]:
    """Find the files that hold a split's transcripts.

    Arguments
    ---------
    split_folder : Path
        The split's.
    files : Iterable[Path]
        All files below it.

    Returns
    -------
    list[Path]
        Those called ``<speaker>/<chapter>/*.trans.txt``, in lower or upper case.
    """
    depth = len(split_folder.parts) + 3
    return [p for p in files if len(p.parts) == depth and is_transcript_file(p)]


def is_transcript_file(path: Path) -> bool:
    """Return whether a file holds transcripts, by its name."""
    return path.name.lower().endswith(_TRANSCRIPTS_ENDING)


def read_transcript_file(path: Path) -> Iterator[tuple[str, str]]:
    """Read the lines of a transcript file.

    Arguments
    ---------
    path : Path
        A ``.trans.txt``: an id and words in each line.

    Yields
    ------
    tuple[str, str]
        Id, and text with a space between words.

    Raises
    ------
    InputError
        If the file is not UTF-8 text.
    """
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
