"""Where a recipe's data are listed: splits of a corpus, manifests given, or shards."""

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from speechbrain.utils.distributed import run_on_main

from lact_modules.data.manifest.manifest import manifest_name, read_manifest
from lact_modules.data.shard.index import Shard, find_shards
from lact_modules.errors import InputError

ReadTranscripts = Callable[[Path, Sequence[str]], list[str]]
"""Such as `data.librispeech.read_transcripts`: folder and splits -> transcripts."""


class Manifests(NamedTuple):
    """Where the utterances to train, to validate and to test on are listed.

    ``shards`` replace ``train``; ``data_folder`` replaces SpeechBrain's
    ``{data_root}``, see `read_manifest`.
    """

    train: list[Path]
    dev: list[Path]
    tests: dict[str, Path]
    shards: list[Shard]
    data_folder: str | Path | None = None

    def train_texts(self) -> list[str]:
        """Read the transcripts to learn from; empty ones are skipped."""
        texts = _read_texts(self.train, self.data_folder)
        return texts + _texts_of(self.shards)


Paths = str | Path | Sequence[str | Path] | None
"""None, or one or more."""


@dataclass(frozen=True)
class DataSources:
    """Keys of a recipe that select its data: splits of a corpus, or manifests.

    Arguments
    ---------
    output_folder : str | Path
        Of the run.
    data_folder : str | Path | None
        Of the corpus; replaces placeholders of manifests too.
    train_splits : Sequence[str]
        To learn from, where there is neither `train_manifest` nor `train_shards`.
    dev_splits : Sequence[str]
        To judge checkpoints by, where there is no `valid_manifest`.
    test_splits : Sequence[str]
        To report on, where there is no `test_manifest`.
    train_manifest : Paths
        Files instead.
    valid_manifest : Paths
        Files instead.
    test_manifest : Paths
        Files instead.
    train_shards : Paths
        See `find_shards`.
    preparation : Mapping[str, Any]
        Options of what prepares splits.
    """

    output_folder: str | Path
    data_folder: str | Path | None = None
    train_splits: Sequence[str] = ()
    dev_splits: Sequence[str] = ()
    test_splits: Sequence[str] = ()
    train_manifest: Paths = None
    valid_manifest: Paths = None
    test_manifest: Paths = None
    train_shards: Paths = None
    preparation: Mapping[str, Any] = field(default_factory=dict)

    def train(self) -> "_Source":
        """To learn from, but for shards."""
        manifests = _existing(self.train_manifest, "train_manifest")
        return _Source(manifests, [] if manifests else [*self.train_splits])

    def dev(self) -> "_Source":
        """To judge checkpoints by."""
        manifests = _existing(self.valid_manifest, "valid_manifest")
        return _Source(manifests, [] if manifests else [*self.dev_splits])

    def tests(self) -> "_Source":
        """To report on."""
        manifests = _existing(self.test_manifest, "test_manifest")
        return _Source(manifests, [] if manifests else [*self.test_splits])

    def shards(self) -> list[Shard]:
        """To learn from instead."""
        if not self.train_shards:
            return []
        if self.train_manifest:
            raise InputError("train_shards: train_manifest is set too; set one of them")
        return find_shards(self.train_shards)

    def corpus(self) -> Path:
        """Return the folder that splits are in."""
        if self.data_folder is None:
            raise InputError(
                "data_folder: give the corpus folder, or train_manifest, "
                "valid_manifest and test_manifest"
            )
        return Path(self.data_folder)


class _Source(NamedTuple):
    """What data of one kind are made of: manifests given, or else splits."""

    manifests: list[Path]
    splits: list[str]


def prepare_manifests(sources: DataSources, prepare: Callable[..., Any]) -> Manifests:
    """Find the manifests and shards given; prepare splits in place of missing ones.

    ``prepare``, such as `prepare_librispeech`, writes ``<split>.jsonl`` into the folder
    ``manifests`` of the run. Tests go by the name of their split, or of their file
    without its extension; two of one name are refused.
    """
    folder = Path(sources.output_folder) / "manifests"
    shards = sources.shards()
    train = _Source([], []) if shards else sources.train()
    dev, test = sources.dev(), sources.tests()
    splits = list(dict.fromkeys([*train.splits, *dev.splits, *test.splits]))
    if splits:
        arguments = {
            **_preparation(sources.preparation, prepare),
            "data_folder": sources.corpus(),
            "manifest_folder": folder,
            "splits": splits,
        }
        run_on_main(prepare, kwargs=arguments)
    prepared = {split: folder / f"{split}.jsonl" for split in splits}
    return Manifests(
        [*train.manifests, *map(prepared.__getitem__, train.splits)],
        [*dev.manifests, *map(prepared.__getitem__, dev.splits)],
        _by_name(test.manifests) | {split: prepared[split] for split in test.splits},
        shards,
        sources.data_folder,
    )


def read_train_texts(
    sources: DataSources, read_transcripts: ReadTranscripts
) -> list[str]:
    """Read the transcripts to learn from, without looking at audio.

    Arguments
    ---------
    sources : DataSources
        Of the recipe.
    read_transcripts : ReadTranscripts
        Reads those of splits.

    Returns
    -------
    list[str]
        Empty ones are skipped.

    Raises
    ------
    InputError
        If manifest, shard, folder or split is missing.
    """
    if shards := sources.shards():
        return _texts_of(shards)
    manifests, splits = sources.train()
    if not splits:
        return _read_texts(manifests, sources.data_folder)
    return read_transcripts(sources.corpus(), splits)


def read_held_out_texts(
    sources: DataSources,
    kind: Literal["dev", "test"],
    read_transcripts: ReadTranscripts,
) -> dict[str, list[str]]:
    """Read the transcripts to judge checkpoints by, or to report on.

    Arguments
    ---------
    sources : DataSources
        Of the recipe.
    kind : Literal["dev", "test"]
        Which ones.
    read_transcripts : ReadTranscripts
        Reads those of splits.

    Returns
    -------
    dict[str, list[str]]
        By the name of split or manifest.

    Raises
    ------
    InputError
        If manifest, folder or split is missing, or two manifests have one name.
    """
    source = sources.dev() if kind == "dev" else sources.tests()
    named = _by_name(source.manifests)
    if not source.splits:
        root = sources.data_folder
        return {name: _read_texts([path], root) for name, path in named.items()}
    folder = sources.corpus()
    return {split: read_transcripts(folder, [split]) for split in source.splits}


def _existing(value: Paths, key: str) -> list[Path]:
    if isinstance(value, str | Path):
        value = [value]
    paths = [Path(path) for path in value or []]
    for path in paths:
        if not os.path.isfile(path):
            kind = "a folder, not a manifest" if path.is_dir() else "no such manifest"
            raise InputError(f"{key}: {path}: {kind}; give a .jsonl, .csv or .tsv file")
    return paths


def _by_name(manifests: list[Path]) -> dict[str, Path]:
    named: dict[str, Path] = {}
    for path in manifests:
        other = named.setdefault(manifest_name(path), path)
        if other != path:
            raise InputError(f"{path}: has the name of {other}; rename one")
    return named


def _preparation(
    options: Mapping[str, Any], prepare: Callable[..., Any]
) -> Mapping[str, Any]:
    known = inspect.signature(prepare).parameters
    for name in options:
        if name not in known:
            raise InputError(
                f"preparation: no option {name!r}; expected {', '.join(known)}"
            )
    return options


def _read_texts(manifests: list[Path], root: str | Path | None) -> list[str]:
    texts = (u.text for path in manifests for u in read_manifest(path, data_root=root))
    return [text for text in texts if text.strip()]


def _texts_of(shards: list[Shard]) -> list[str]:
    return [text for shard in shards for text in shard.texts if text.strip()]
