"""Prepare manifests from a corpus in LibriSpeech's layout."""

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from lact_modules.data.corpus.preparation import digest, write_split
from lact_modules.data.corpus.split_folder import (
    find_transcripts,
    inspect_split,
    read_texts,
)
from lact_modules.data.source.file_tree import find_files
from lact_modules.errors import InputError


def prepare_librispeech(
    data_folder: str | Path,
    manifest_folder: str | Path,
    splits: Sequence[str],
    *,
    min_duration: float = 0.1,
    max_duration: float = math.inf,
    num_workers: int | None = None,
    channel: int | None = None,
) -> dict[str, Path]:
    """Write a manifest for each split.

    Every audio file is decoded once to verify it. Utterances that cannot be used
    are skipped, logged, and listed with the reason in ``<split>.skipped.json``
    beside the manifest. A split is prepared anew only if its files (names, sizes,
    times of change) or the bounds differ from the last time.

    Arguments
    ---------
    data_folder : str | Path
        Holds ``<split>/<speaker>/<chapter>/*.trans.txt`` with the audio (flac, wav,
        mp3, ...) beside; or holds a folder ``LibriSpeech`` that does.
    manifest_folder : str | Path
        Gets ``<split>.jsonl``, sorted by utterance id, with absolute audio paths.
    splits : Sequence[str]
        Names of folders, such as ``train-clean-100``.
    min_duration : float
        Seconds.
    max_duration : float
        Seconds.
    num_workers : int | None
        Threads; one a core if None.
    channel : int | None
        Of the audio files, from 0; their mean if None.

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
        split_folder = _find_split(corpus, split)
        manifest = Path(manifest_folder) / f"{split}.jsonl"
        key = _cache_key(split_folder, (min_duration, max_duration, channel))
        inspect = partial(
            inspect_split,
            split_folder,
            min_duration=min_duration,
            max_duration=max_duration,
            num_workers=num_workers,
            channel=channel,
        )
        write_split(manifest, key, inspect)
        manifests[split] = manifest
    return manifests


def read_transcripts(data_folder: str | Path, splits: Sequence[str]) -> list[str]:
    """Read the transcripts of splits; audio is neither needed nor read.

    Arguments
    ---------
    data_folder : str | Path
        As for :func:`prepare_librispeech`.
    splits : Sequence[str]
        Names of folders, such as ``train-clean-100``.

    Returns
    -------
    list[str]
        Split after split, each sorted by utterance id; empty ones are skipped.

    Raises
    ------
    InputError
        If a folder or split is missing, or a split has no transcripts.
    """
    corpus = _find_corpus(Path(data_folder))
    folders = [_find_split(corpus, split) for split in splits]
    return [text for folder in folders for text in read_texts(folder)]


def _find_corpus(data_folder: Path) -> Path:
    if not data_folder.is_dir():
        raise InputError(f"{data_folder}: no such folder; give a corpus folder")
    nested = data_folder / "LibriSpeech"
    return nested if nested.is_dir() else data_folder


def _find_split(corpus: Path, split: str) -> Path:
    split_folder = corpus / split
    if not split_folder.is_dir():
        raise InputError(
            f"{split_folder}: no such split; {corpus} has: {_list_splits(corpus)}"
        )
    return split_folder


def _list_splits(corpus: Path) -> str:
    folders = [path for path in sorted(corpus.iterdir()) if path.is_dir()]
    names = [path.name for path in folders if find_transcripts(path, find_files(path))]
    return ", ".join(names) or "no folder in LibriSpeech's layout"


def _cache_key(split_folder: Path, settings: object) -> str:
    files = filter(Path.is_file, find_files(split_folder.resolve()))
    return digest(settings, files)
