"""Prepare manifests from any folder of audio: transcripts beside it, or in a table."""

import math
import os
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path

from lact_modules.data.corpus.inspection import (
    Limits,
    Skipped,
    inspect_all,
    inspect_recording,
)
from lact_modules.data.corpus.preparation import digest, write_split
from lact_modules.data.manifest.manifest import Utterance, manifest_name, read_manifest
from lact_modules.data.source.collect import collect_audio
from lact_modules.data.source.file_tree import Siblings, find_files
from lact_modules.data.text.sentences import read_text
from lact_modules.errors import InputError

TRANSCRIPT_ENDINGS = (".txt", ".lab")
"""Of the file beside an audio file that holds its transcript; the first one counts."""


def prepare_folder(
    data_folder: str | Path,
    manifest_folder: str | Path,
    splits: Sequence[str] = (),
    *,
    tables: Sequence[str | Path] = (),
    min_duration: float = 0.1,
    max_duration: float = math.inf,
    num_workers: int | None = None,
    channel: int | None = None,
) -> dict[str, Path]:
    """Write a manifest for each split, each table, or the folder as a whole.

    The folder has audio at any depth, see `find_files`, and beside ``a.wav`` its
    transcript ``a.txt`` or ``a.lab``, unless there are tables: files for
    `read_manifest`, whose audio paths are relative to the folder. A manifest is called
    after its table or subfolder.

    Every audio file is decoded once to verify it. Utterances that cannot be used are
    left out, logged, and listed with the reason in ``<name>.skipped.json`` beside the
    manifest. A manifest is prepared anew only if its files (names, sizes, times of
    change) or the bounds differ from the last time. Raises InputError without a usable
    utterance, or if there are both splits and tables.
    """
    corpus = Path(data_folder).resolve()
    if not corpus.is_dir():
        raise InputError(f"{data_folder}: no such folder; give a folder of audio")
    if splits and tables:
        raise InputError("a table lists its utterances: give tables or splits")
    limits = Limits(min_duration, max_duration, channel=channel)
    inspect = partial(_inspect, limits=limits)
    manifests: dict[str, Path] = {}
    for source in map(Path, tables or [corpus / split for split in splits] or [corpus]):
        utterances = _read_table(source, corpus) if tables else _read_folder(source)
        _check_ids(source, utterances)
        name = manifest_name(source) if tables else source.name
        if name in manifests:
            raise InputError(f"{source}: another table is called {name}; rename one")
        manifest = Path(manifest_folder) / f"{name}.jsonl"
        files = [Path(u.audio_filepath) for u in utterances]
        key = digest((limits, utterances), filter(os.path.isfile, files))
        inspect_split = partial(inspect_all, source, utterances, inspect, num_workers)
        write_split(manifest, key, inspect_split)
        manifests[name] = manifest
    return manifests


def _read_table(table: Path, corpus: Path) -> list[Utterance]:
    return sorted(read_manifest(table, corpus), key=lambda u: u.id)


def _read_folder(folder: Path) -> list[Utterance]:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give splits that are subfolders")
    siblings = Siblings(find_files(folder))
    utterances = [
        Utterance(
            id=path.relative_to(folder).with_suffix("").as_posix(),
            audio_filepath=str(path),
            text=_read_transcript(
                siblings.find(path.with_suffix(""), TRANSCRIPT_ENDINGS)
            ),
            duration=0.0,
        )
        for path in collect_audio([str(folder)])
    ]
    return sorted(utterances, key=lambda u: u.id)


def _read_transcript(path: Path | None) -> str:
    return "" if path is None else " ".join(read_text(path).split())


def _check_ids(source: Path, utterances: list[Utterance]) -> None:
    for utterance, following in pairwise(utterances):
        if utterance.id == following.id:
            raise InputError(
                f"{source}: two utterances are called {utterance.id}: "
                f"{utterance.audio_filepath} and {following.audio_filepath}; "
                "rename or remove one"
            )


def _inspect(utterance: Utterance, limits: Limits) -> Utterance | Skipped:
    if not utterance.text.strip():
        path = utterance.audio_filepath
        return Skipped(utterance.id, "missing or empty transcript", path)
    return inspect_recording(utterance, limits)
