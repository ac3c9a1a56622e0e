"""Where a recipe's data are listed: splits of a corpus, manifests given, or shards."""

import inspect
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from speechbrain.utils.distributed import run_on_main

from lact_modules.data.manifest.manifest import manifest_name, read_manifest
from lact_modules.data.shard.index import Shard, find_shards
from lact_modules.errors import InputError

ReadTranscripts = Callable[[Path, Sequence[str]], list[str]]
"""Such as `data.librispeech.read_transcripts`: folder and splits -> transcripts."""


class Manifests(NamedTuple):
    """Where the utterances of a recipe are listed, to learn from, to judge and to test.

    Shards take the place of ``train``; ``data_folder`` that of SpeechBrain's
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


class _Source(NamedTuple):
    """What data of one kind are made of: manifests given, or else splits."""

    manifests: list[Path]
    splits: list[str]


def prepare_manifests(
    hparams: dict[str, Any], prepare: Callable[..., Any]
) -> Manifests:
    """Find the manifests and shards given; prepare the splits in the place of others.

    Those have ``<split>.jsonl``, written by ``prepare`` (such as
    `prepare_librispeech`), in the folder ``manifests`` of the run. Tests go by the name
    of their split or of their file without its ending; two of one name are refused.
    """
    folder = Path(hparams["output_folder"]) / "manifests"
    shards = _train_shards(hparams)
    train = _Source([], []) if shards else _train_source(hparams)
    dev, test = _dev_source(hparams), _test_source(hparams)
    splits = list(dict.fromkeys([*train.splits, *dev.splits, *test.splits]))
    if splits:
        arguments = {
            **_preparation(hparams, prepare),
            "data_folder": _corpus_folder(hparams),
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
        hparams["data_folder"],
    )


def read_train_texts(
    hparams: dict[str, Any], read_transcripts: ReadTranscripts
) -> list[str]:
    """Read the transcripts to learn from, without looking at audio.

    Arguments
    ---------
    hparams : dict[str, Any]
        As for `prepare_manifests`.
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
    if shards := _train_shards(hparams):
        return _texts_of(shards)
    manifests, splits = _train_source(hparams)
    if not splits:
        return _read_texts(manifests, hparams["data_folder"])
    return read_transcripts(_corpus_folder(hparams), splits)


def read_held_out_texts(
    hparams: dict[str, Any],
    kind: Literal["dev", "test"],
    read_transcripts: ReadTranscripts,
) -> dict[str, list[str]]:
    """Read the transcripts to judge checkpoints by, or to report on.

    Arguments
    ---------
    hparams : dict[str, Any]
        As for `prepare_manifests`.
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
    source = _dev_source(hparams) if kind == "dev" else _test_source(hparams)
    named = _by_name(source.manifests)
    if not source.splits:
        root = hparams["data_folder"]
        return {name: _read_texts([path], root) for name, path in named.items()}
    folder = _corpus_folder(hparams)
    return {split: read_transcripts(folder, [split]) for split in source.splits}


def _train_source(hparams: dict[str, Any]) -> _Source:
    manifests = _given(hparams["train_manifest"], "train_manifest")
    return _Source(manifests, [] if manifests else hparams["train_splits"])


def _dev_source(hparams: dict[str, Any]) -> _Source:
    manifests = _given(hparams["valid_manifest"], "valid_manifest")
    return _Source(manifests, [] if manifests else hparams["dev_splits"])


def _test_source(hparams: dict[str, Any]) -> _Source:
    manifests = _given(hparams["test_manifest"], "test_manifest")
    return _Source(manifests, [] if manifests else hparams["test_splits"])


def _train_shards(hparams: dict[str, Any]) -> list[Shard]:
    if not hparams["train_shards"]:
        return []
    if hparams["train_manifest"]:
        raise InputError("train_shards: train_manifest is set too; set one of them")
    return find_shards(hparams["train_shards"])


def _given(value: str | Path | Sequence[str | Path] | None, key: str) -> list[Path]:
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


def _corpus_folder(hparams: dict[str, Any]) -> Path:
    if hparams["data_folder"] is None:
        raise InputError(
            "data_folder: give the corpus folder, or train_manifest, valid_manifest "
            "and test_manifest"
        )
    return Path(hparams["data_folder"])


def _preparation(
    hparams: dict[str, Any], prepare: Callable[..., Any]
) -> dict[str, Any]:
    known = inspect.signature(prepare).parameters
    for name in hparams["preparation"]:
        if name not in known:
            raise InputError(
                f"preparation: no option {name!r}; expected {', '.join(known)}"
            )
    return hparams["preparation"]


def _read_texts(manifests: list[Path], root: str | Path | None) -> list[str]:
    texts = (u.text for path in manifests for u in read_manifest(path, data_root=root))
    return [text for text in texts if text.strip()]


def _texts_of(shards: list[Shard]) -> list[str]:
    return [text for shard in shards for text in shard.texts if text.strip()]
