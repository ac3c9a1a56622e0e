"""Prepare manifests from a folder in LibriSpeech's layout."""

import hashlib
import json
import logging
import math
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.progress import track

from lact_modules.data.audio import SAMPLE_RATE, load_audio
from lact_modules.data.manifest import Utterance, write_manifest
from lact_modules.errors import InputError

logger = logging.getLogger(__name__)

AUDIO_EXTENSIONS = (".flac", ".wav", ".ogg", ".opus")

# Part of the cache's key: raise it when the same files give other manifests.
_VERSION = 1


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


def prepare_librispeech(
    data_folder: str | Path,
    manifest_folder: str | Path,
    splits: Sequence[str],
    *,
    min_duration: float = 0.1,
    max_duration: float = math.inf,
    num_workers: int | None = None,
) -> dict[str, Path]:
    """Write a manifest for each split.

    Every audio file is decoded once to verify it. Utterances that cannot be used
    are left out, logged, and listed with the reason in ``<split>.skipped.json``
    beside the manifest. A split is prepared anew only if its files (names, sizes,
    times of change) or the bounds differ from the last time.

    Arguments
    ---------
    data_folder : str | Path
        Holds ``<split>/<speaker>/<chapter>/*.trans.txt`` with the audio (flac, wav,
        ogg or opus) beside; or holds a folder ``LibriSpeech`` that does.
    manifest_folder : str | Path
        Where ``<split>.jsonl`` is written, sorted by utterance id, with absolute
        audio paths.
    splits : Sequence[str]
        Names of folders, such as ``train-clean-100``.
    min_duration : float
        Seconds; shorter utterances are skipped.
    max_duration : float
        Seconds; longer utterances are skipped.
    num_workers : int | None
        Threads; one a core if None.

    Returns
    -------
    dict[str, Path]
        The manifest of each split, in the order asked for.

    Raises
    ------
    InputError
        If a folder or split is missing, or a split has no usable utterance.

    Example
    -------
    >>> import tempfile, numpy, soundfile
    >>> corpus = Path(tempfile.mkdtemp())
    >>> chapter = corpus / "train" / "7" / "1"
    >>> chapter.mkdir(parents=True)
    >>> _ = (chapter / "7-1.trans.txt").write_text("7-1-0000 ONE TWO")
    >>> soundfile.write(chapter / "7-1-0000.flac", numpy.zeros(16000), 16000)
    >>> prepare_librispeech(corpus, corpus / "manifests", ["train"])["train"].name
    'train.jsonl'
    """
    corpus = _find_corpus(Path(data_folder))
    manifests = {}
    for split in splits:
        split_folder = corpus / split
        if not split_folder.is_dir():
            raise InputError(
                f"{split_folder}: no such split; {corpus} has: {_list_splits(corpus)}"
            )
        manifest = Path(manifest_folder) / f"{split}.jsonl"
        key_file = manifest.with_suffix(".key")
        key = _cache_key(split_folder, min_duration, max_duration)
        if not (manifest.is_file() and _read_or_none(key_file) == key):
            key_file.unlink(missing_ok=True)
            utterances, skipped = inspect_split(
                split_folder,
                min_duration=min_duration,
                max_duration=max_duration,
                num_workers=num_workers,
            )
            write_manifest(manifest, utterances)
            _write_report(manifest.with_suffix(".skipped.json"), skipped)
            # Written last: without it the split is prepared anew.
            key_file.write_text(key, encoding="utf-8")
        manifests[split] = manifest
    return manifests


def prepare_split(
    split_folder: str | Path,
    *,
    min_duration: float = 0.1,
    max_duration: float = math.inf,
    num_workers: int | None = None,
) -> list[Utterance]:
    """Read one split folder; nothing is written.

    Arguments and errors are those of :func:`prepare_librispeech`; what is skipped
    is logged.

    Returns
    -------
    list[Utterance]
        Sorted by id.
    """
    utterances, _ = inspect_split(
        split_folder,
        min_duration=min_duration,
        max_duration=max_duration,
        num_workers=num_workers,
    )
    return utterances


def inspect_split(
    split_folder: str | Path,
    *,
    min_duration: float = 0.1,
    max_duration: float = math.inf,
    num_workers: int | None = None,
) -> tuple[list[Utterance], list[Skipped]]:
    """Read one split folder as :func:`prepare_split` does; also tell what is skipped.

    Returns
    -------
    tuple[list[Utterance], list[Skipped]]
        Usable utterances and the others, both sorted by id.
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
    _log_skipped(split_folder, len(entries), skipped)
    if not utterances:
        raise InputError(
            f"{split_folder}: none of the {len(entries)} utterances is usable; "
            f"the first, {skipped[0].id}: {skipped[0].reason} ({skipped[0].detail})"
        )
    return utterances, skipped


def _find_corpus(data_folder: Path) -> Path:
    if not data_folder.is_dir():
        raise InputError(f"{data_folder}: no such folder; give a corpus folder")
    nested = data_folder / "LibriSpeech"
    return nested if nested.is_dir() else data_folder


def _list_splits(corpus: Path) -> str:
    names = sorted(path.name for path in corpus.iterdir() if _has_transcripts(path))
    return ", ".join(names) or "no folder in LibriSpeech's layout"


def _has_transcripts(folder: Path) -> bool:
    return any(True for _ in folder.glob("*/*/*.trans.txt"))


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


def _cache_key(split_folder: Path, min_duration: float, max_duration: float) -> str:
    digest = hashlib.sha256()
    digest.update(repr((_VERSION, min_duration, max_duration)).encode())
    for path in sorted(filter(Path.is_file, split_folder.resolve().rglob("*"))):
        status = path.stat()
        digest.update(repr((str(path), status.st_size, status.st_mtime_ns)).encode())
    return digest.hexdigest()


def _read_or_none(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _group(skipped: list[Skipped]) -> dict[str, dict[str, str]]:
    groups: dict[str, dict[str, str]] = {}
    for utterance_id, reason, detail in skipped:
        groups.setdefault(reason, {})[utterance_id] = detail
    return groups


def _write_report(path: Path, skipped: list[Skipped]) -> None:
    report = json.dumps(_group(skipped), indent=2, ensure_ascii=False)
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_text(report + "\n", encoding="utf-8")
    os.replace(unfinished, path)


def _log_skipped(split_folder: Path, total: int, skipped: list[Skipped]) -> None:
    for reason, details in _group(skipped).items():
        logger.warning(
            "%s: %d of %d utterances skipped, %s: %s",
            split_folder.name,
            len(details),
            total,
            reason,
            ", ".join(details),
        )
