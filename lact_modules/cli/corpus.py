"""``lact-asr transcribe`` of a corpus: by part, here or on a cluster."""

import glob
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeAlias

import typer

from lact_modules.cli.output import STDOUT, now_and_then, progress_bar
from lact_modules.cli.recordings import EACH, list_recordings, parse_channel
from lact_modules.cli.tally import Tally
from lact_modules.errors import InputError

if TYPE_CHECKING:
    from lact_modules.data.parts import Part, Speech
    from lact_modules.inference.part_folder import PartFolder
    from lact_modules.inference.parts import HeardPart

Hear: TypeAlias = (
    "Callable[[Sequence[Part], Callable[[int], None]], Iterator[HeardPart]]"
)
"""Hears parts, and tells how many utterances more have been heard."""

_PART_SIZE = 500
_MOST_FAILURES = 20

Manifest = Annotated[
    str | None,
    typer.Option(
        help="In place of files, to write by part: .jsonl, .csv, .tsv, Lhotse's "
        ".jsonl.gz, with texts or without; or a folder or pattern of shards.",
        metavar="FILE|SHARDS",
    ),
]
PartSize = Annotated[
    int | None,
    typer.Option(
        "--part-size",
        min=1,
        help=f"Utterances of a part; {_PART_SIZE} by default. A shard is a part.",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(min=1, help="Of --engine ray: as many as GPUs, or cores, by default."),
]


class Engines(str, Enum):
    """Where models run."""

    LOCAL = "local"
    RAY = "ray"


Engine = Annotated[
    Engines,
    typer.Option(help="ray: on a cluster or all cores, by Ray Data, a model a worker."),
]


class Place(NamedTuple):
    """Where a model runs, and how many utterances at once.

    Arguments
    ---------
    engine : Engines
        In this process, or by Ray.
    device : str
        Of a worker.
    workers : int | None
        Of Ray.
    batch_size : int
        Of a worker.
    """

    engine: Engines
    device: str
    workers: int | None
    batch_size: int


class Corpus(NamedTuple):
    """What is to be transcribed.

    Arguments
    ---------
    manifest : str | None
        Or shards.
    files : list[str]
        Audio files and folders, if there is no manifest.
    channel : str | None
        As the command line has it.
    part_size : int | None
        Utterances of a part.
    """

    manifest: str | None
    files: list[str]
    channel: str | None
    part_size: int | None

    def divide(self) -> "list[Part]":
        """List the parts, the same ones each time.

        Returns
        -------
        list[Part]
            From number 0.

        Raises
        ------
        InputError
            If there is nothing, or options do not fit.
        """
        from lact_modules.data.parts import divide

        if self.manifest is not None and self.files:
            raise InputError(f"--manifest {self.manifest}: leave the files, or it")
        if self.manifest is not None and _is_sharded(self.manifest):
            return self._divide_shards(self.manifest)
        if self.manifest is None or Path(self.manifest).is_dir():
            speech = self._list_files([self.manifest] if self.manifest else self.files)
        else:
            speech = self._list_manifest(self.manifest)
        return divide(speech, self.part_size or _PART_SIZE)

    def _divide_shards(self, place: str) -> "list[Part]":
        from lact_modules.data.parts import divide_by_shard
        from lact_modules.data.shards import find_shards

        if self.part_size is not None:
            raise InputError(f"--part-size: a shard of {place} is a part; leave it")
        return divide_by_shard(find_shards(place), self._one_channel)

    def _list_manifest(self, path: str) -> "list[Speech]":
        from lact_modules.data.manifest import read_manifest
        from lact_modules.data.parts import list_utterances

        # what is to be transcribed need not have texts
        utterances = read_manifest(path, required=["audio_filepath"])
        if (channel := self._one_channel) is not None:
            utterances = [replace(each, channel=channel) for each in utterances]
        return list_utterances(utterances)

    def _list_files(self, names: list[str]) -> "list[Speech]":
        from lact_modules.data.parts import Speech
        from lact_modules.data.sources import collect_audio

        sources = collect_audio(names, listed=sys.stdin)
        return [
            Speech(str(each), os.path.abspath(each.path), channel=each.channel)
            for each in list_recordings(sources, self.channel)
        ]

    @property
    def _one_channel(self) -> int | None:
        if self.channel == EACH:
            raise InputError(
                f"--channel {EACH}: of files; a manifest tells channels itself"
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

    Arguments
    ---------
    corpus : Corpus
        To divide.
    model : Path
        See `Transcriber.from_folder`.
    loading : dict[str, Any]
        Its options, by name.
    place : Place
        Where it runs.
    output : Path | None
        Folder of the parts.

    Raises
    ------
    InputError
        If there is no folder, or it has other parts.
    Exit
        With code 2 if something failed, in this run or in earlier ones.
    """
    from lact_modules.data.parts import fingerprint
    from lact_modules.inference.part_folder import PartFolder

    if output is None or output == STDOUT:
        raise InputError("--output: give a folder for the parts")
    parts = corpus.divide()
    plan = {"num_parts": len(parts), "parts_sha256": fingerprint(parts)}
    folder = PartFolder(output, plan | _settled(loading))
    there = {part.number for part in parts if folder.has(part.number)}
    missing = [part for part in parts if part.number not in there]
    start = _start_ray if place.engine is Engines.RAY else _start_here
    hear = start(model, loading, place) if missing else None
    tally = Tally(error for n in sorted(there) for error in folder.read_failures(n))
    if hear is not None:
        _write_parts(missing, hear, folder, tally)
    tally.report(most=_MOST_FAILURES)
    print(f"{output}: {len(parts)} parts, {len(there)} from before", file=sys.stderr)
    if tally.failures:
        raise typer.Exit(2)


def _is_sharded(place: str) -> bool:
    from lact_modules.data.shards import INDEX_FILE

    path = Path(place)
    is_pattern = glob.has_magic(place) and not path.exists()
    return is_pattern or path.suffix == ".tar" or (path / INDEX_FILE).is_file()


def _settled(loading: dict[str, Any]) -> dict[str, Any]:
    """Give the options that transcripts depend on, for JSON; files by absolute path."""
    return {
        key: os.path.abspath(value) if isinstance(value, Path) else value
        for key, value in loading.items()
        if key != "compiled" and value is not None
    }


def _start_here(model: Path, loading: dict[str, Any], place: Place) -> "Hear":
    """Load the model in this process."""
    from lact_modules.inference.parts import PartTranscriber
    from lact_modules.inference.transcriber import Transcriber

    transcriber = Transcriber.from_folder(model, place.device, **loading)
    here = PartTranscriber(transcriber, place.batch_size)

    def hear(
        parts: "Sequence[Part]", advance: Callable[[int], None]
    ) -> "Iterator[HeardPart]":
        for part in parts:
            yield here.hear(part, lambda: advance(1))

    return hear


def _start_ray(model: Path, loading: dict[str, Any], place: Place) -> "Hear":
    """Connect to Ray; its workers load the model."""
    from lact_modules.inference.ray_engine import hear_on_ray, start_ray

    start_ray()

    def hear(
        parts: "Sequence[Part]", advance: Callable[[int], None]
    ) -> "Iterator[HeardPart]":
        where = (place.batch_size, place.device, place.workers)
        for heard in hear_on_ray(parts, str(model), loading, *where):
            advance(len(heard))
            yield heard

    return hear


def _write_parts(
    parts: "Sequence[Part]", hear: "Hear", folder: "PartFolder", tally: Tally
) -> None:
    """Write parts as they are done, and count what is in them."""
    left = {part.number: len(part) for part in parts}
    total = sum(left.values())
    tell = now_and_then()
    with progress_bar("Transcribing", total) as advance:
        for heard in hear(parts, advance):
            # what is given twice is written once
            if left.pop(heard.number, None) is None:
                continue
            if heard.fault is not None:
                tally.count(0, 0.0, [heard.fault])
                continue
            folder.write(heard)
            errors = [each["error"] for each in heard.failures]
            tally.count(len(heard.lines), heard.seconds, errors)
            tell(lambda: f"{total - sum(left.values())} of {total} utterances, {tally}")
    for number, size in left.items():
        reason = f"part {number}: workers died of its {size} utterances; see Ray's log"
        tally.failures.append(reason)
