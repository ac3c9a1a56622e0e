"""``lact-asr transcribe`` of a corpus: by part, here or on a cluster."""

import glob
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from lact_modules.cli.option.recordings import EACH, list_recordings, parse_channel
from lact_modules.cli.parts import Place, list_parts, parts_folder, transcribe_parts
from lact_modules.errors import InputError

if TYPE_CHECKING:
    from lact_modules.data.shard.parts import Part, Speech

Manifest = Annotated[
    str | None,
    typer.Option(
        help="Instead of files, to write by part: .jsonl, .csv, .tsv, Lhotse's "
        ".jsonl.gz, with or without texts; or a folder or pattern of shards.",
        metavar="FILE|SHARDS",
    ),
]


class Corpus(NamedTuple):
    """What is to be transcribed: a manifest or shards, or else files and folders."""

    manifest: str | None
    files: list[str]
    channel: str | None
    part_size: int | None

    def divide(self) -> "list[Part]":
        """List the parts, from number 0, the same ones each time."""
        if self.manifest is not None and self.files:
            raise InputError(f"--manifest {self.manifest}: omit the files, or it")
        if self.manifest is not None and _is_sharded(self.manifest):
            return self._divide_shards(self.manifest)
        if self.manifest is None or Path(self.manifest).is_dir():
            speech = self._list_files([self.manifest] if self.manifest else self.files)
        else:
            speech = self._list_manifest(self.manifest)
        return list_parts(speech, self.part_size)

    def _divide_shards(self, place: str) -> "list[Part]":
        from lact_modules.data.shard.index import find_shards
        from lact_modules.data.shard.parts import divide_by_shard

        if self.part_size is not None:
            raise InputError(f"--part-size: a shard of {place} is a part; omit it")
        return divide_by_shard(find_shards(place), self._one_channel)

    def _list_manifest(self, path: str) -> "list[Speech]":
        from lact_modules.data.manifest.manifest import read_manifest
        from lact_modules.data.shard.parts import list_utterances

        # what is to be transcribed need not have texts
        utterances = read_manifest(path, required=["audio_filepath"])
        if (channel := self._one_channel) is not None:
            utterances = [replace(each, channel=channel) for each in utterances]
        return list_utterances(utterances)

    def _list_files(self, names: list[str]) -> "list[Speech]":
        from lact_modules.data.shard.parts import Speech
        from lact_modules.data.source.collect import collect_audio

        sources = collect_audio(names, listed=sys.stdin)
        return [
            Speech(str(each), os.path.abspath(each.path), channel=each.channel)
            for each in list_recordings(sources, self.channel)
        ]

    @property
    def _one_channel(self) -> int | None:
        if self.channel == EACH:
            raise InputError(
                f"--channel {EACH}: only for files; a manifest has its own channels"
            )
        return parse_channel(self.channel)


def transcribe_corpus(
    corpus: Corpus,
    model: Path,
    loading: dict[str, Any],
    place: Place,
    output: Path | None,
) -> None:
    """Transcribe the parts of a corpus that are not there yet.

    Exits with code 2 if something failed, in this run or in earlier ones.
    """
    folder = parts_folder(output)
    _, tally = transcribe_parts(corpus.divide(), model, loading, place, folder)
    if tally.failures:
        raise typer.Exit(2)


def _is_sharded(place: str) -> bool:
    from lact_modules.data.shard.index import INDEX_FILE

    path = Path(place)
    is_pattern = glob.has_magic(place) and not path.exists()
    return is_pattern or path.suffix == ".tar" or (path / INDEX_FILE).is_file()
