"""Read one split in LibriSpeech's layout, and verify every utterance."""

import logging
import math
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.progress import track

from lact_modules.data.audio import SAMPLE_RATE, load_audio
from lact_modules.data.manifest import Utterance
from lact_modules.errors import InputError

logger = logging.getLogger(__name__)

AUDIO_EXTENSIONS = (".flac", ".wav", ".ogg", ".opus")


class Skipped(NamedTuple):
    """An utterance that cannot be used, and why."""

    id: str
    reason: str
    detail: str


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
    check = partial(_check, min_duration=min_duration, max_duration=max_duration)
    with ThreadPoolExecutor(num_workers or os.cpu_count()) as pool:
        checked = list(
            track(
                pool.map(check, entries),
                description=f"Checking {split_folder.name}",
                total=len(entries),
                console=Console(stderr=True),
                transient=True,
            )
        )
    utterances = [result for result in checked if isinstance(result, Utterance)]
    skipped = [result for result in checked if isinstance(result, Skipped)]
    _log(split_folder, len(entries), skipped)
    if not utterances:
        raise InputError(
            f"{split_folder}: none of the {len(entries)} utterances is usable; "
            f"the first, {skipped[0].id}: {skipped[0].reason} ({skipped[0].detail})"
        )
    return utterances, skipped


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


def group_by_reason(skipped: list[Skipped]) -> dict[str, dict[str, str]]:
    """Sort skipped utterances by reason.

    Arguments
    ---------
    skipped : list[Skipped]
        In any order.

    Returns
    -------
    dict[str, dict[str, str]]
        For each reason, the detail of each utterance by id.

    Example
    -------
    >>> group_by_reason([Skipped("1-1-0000", "too short", "0.010 s < 0.1 s")])
    {'too short': {'1-1-0000': '0.010 s < 0.1 s'}}
    """
    groups: dict[str, dict[str, str]] = {}
    for utterance_id, reason, detail in skipped:
        groups.setdefault(reason, {})[utterance_id] = detail
    return groups


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


def _check(
    entry: _Entry, min_duration: float, max_duration: float
) -> Utterance | Skipped:
    if not entry.text:
        return Skipped(entry.id, "empty transcript", str(entry.folder))
    candidates = [entry.folder / (entry.id + suffix) for suffix in AUDIO_EXTENSIONS]
    audio = next((path for path in candidates if path.is_file()), None)
    if audio is None:
        return Skipped(entry.id, "missing audio", f"none of {AUDIO_EXTENSIONS}")
    try:
        duration = len(load_audio(audio)) / SAMPLE_RATE
    except InputError as error:
        return Skipped(entry.id, "unusable audio", str(error))
    if duration < min_duration:
        return Skipped(entry.id, "too short", f"{duration:.3f} s < {min_duration} s")
    if duration > max_duration:
        return Skipped(entry.id, "too long", f"{duration:.3f} s > {max_duration} s")
    return Utterance(entry.id, str(audio), entry.text, duration, entry.speaker)


def _log(split_folder: Path, total: int, skipped: list[Skipped]) -> None:
    for reason, details in group_by_reason(skipped).items():
        logger.warning(
            "%s: %d of %d utterances skipped, %s: %s",
            split_folder.name,
            len(details),
            total,
            reason,
            ", ".join(details),
        )
