"""Options of work by part, and the work: here or on a cluster."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeAlias

import typer

from lact_modules.cli.terminal.output import STDOUT, now_and_then, progress_bar
from lact_modules.cli.terminal.tally import Tally
from lact_modules.errors import InputError

if TYPE_CHECKING:
    from lact_modules.data.shard.parts import Part, Speech
    from lact_modules.inference.corpus.part_folder import PartFolder
    from lact_modules.inference.corpus.parts import TranscribedPart

Transcribe: TypeAlias = (
    "Callable[[Sequence[Part], Callable[[int], None]], Iterator[TranscribedPart]]"
)
"""Transcribes parts, and reports how many more utterances are done."""

_PART_SIZE = 500
_MOST_FAILURES = 20

PartSize = Annotated[
    int | None,
    typer.Option(
        "--part-size",
        min=1,
        help=f"Utterances per part; {_PART_SIZE} by default. A shard is a part.",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        min=1, help="Workers of --engine ray; by default the number of GPUs or cores."
    ),
]


class Engines(str, Enum):
    """Where models run."""

    LOCAL = "local"
    RAY = "ray"


Engine = Annotated[
    Engines,
    typer.Option(
        help="ray: on a cluster or all cores with Ray Data, one model per worker."
    ),
]


class Place(NamedTuple):
    """Where a model runs, and how many utterances at once."""

    engine: Engines
    device: str
    workers: int | None
    batch_size: int


@dataclass(frozen=True)
class Division:
    """Options of work by part."""

    part_size: PartSize = None
    engine: Engine = Engines.LOCAL
    workers: Workers = None

    @property
    def is_wanted(self) -> bool:
        """Whether an option alone asks for parts."""
        return self.part_size is not None or self.engine is Engines.RAY

    def place(self, device: str, batch_size: int) -> Place:
        """Return where to run; `InputError` if there are workers without Ray."""
        if self.workers is not None and self.engine is not Engines.RAY:
            raise InputError("--workers: give --engine ray too")
        return Place(self.engine, device, self.workers, batch_size)


def list_parts(speech: "Sequence[Speech]", part_size: int | None) -> "list[Part]":
    """Divide speech into parts of so many utterances, or of as many as is usual."""
    from lact_modules.data.shard.parts import divide

    return divide(speech, part_size or _PART_SIZE)


def parts_folder(output: Path | None) -> Path:
    """Return the folder for parts, which stdout cannot replace."""
    if output is None or output == STDOUT:
        raise InputError("--output: give a folder for the parts")
    return output


def transcribe_parts(
    parts: "Sequence[Part]",
    model: Path,
    loading: dict[str, Any],
    place: Place,
    output: Path,
    unusable: Iterable[str] = (),
) -> "tuple[PartFolder, Tally]":
    """Transcribe the parts of a corpus that are not in the folder yet, and report.

    ``unusable`` names what is in no part, and why. The tally covers this run, and
    failures of earlier ones.
    """
    from lact_modules.data.shard.parts import fingerprint
    from lact_modules.inference.corpus.part_folder import PartFolder

    plan = {"num_parts": len(parts), "parts_sha256": fingerprint(parts)}
    folder = PartFolder(output, plan | _settled(loading))
    there = {part.number for part in parts if folder.has(part.number)}
    missing = [part for part in parts if part.number not in there]
    start = _start_ray if place.engine is Engines.RAY else _start_here
    transcribe = start(model, loading, place) if missing else None
    known = (error for n in sorted(there) for error in folder.read_failures(n))
    tally = Tally([*unusable, *known])
    if transcribe is not None:
        _write_parts(missing, transcribe, folder, tally)
    tally.report(most=_MOST_FAILURES)
    print(f"{output}: {len(parts)} parts, {len(there)} from before", file=sys.stderr)
    return folder, tally


def _settled(loading: dict[str, Any]) -> dict[str, Any]:
    """Return the options that transcripts depend on; files by absolute path."""
    return {
        key: os.path.abspath(value) if isinstance(value, Path) else value
        for key, value in loading.items()
        if key != "compiled" and value is not None
    }


def _start_here(model: Path, loading: dict[str, Any], place: Place) -> "Transcribe":
    """Load the model in this process."""
    from lact_modules.inference.corpus.parts import PartTranscriber
    from lact_modules.inference.transcriber import Transcriber

    transcriber = Transcriber.from_folder(model, place.device, **loading)
    here = PartTranscriber(transcriber, place.batch_size)

    def transcribe(
        parts: "Sequence[Part]", advance: Callable[[int], None]
    ) -> "Iterator[TranscribedPart]":
        for part in parts:
            yield here.transcribe(part, lambda: advance(1))

    return transcribe


def _start_ray(model: Path, loading: dict[str, Any], place: Place) -> "Transcribe":
    """Connect to Ray; its workers load the model."""
    from lact_modules.inference.corpus.ray_engine import start_ray, transcribe_on_ray

    start_ray()

    def transcribe(
        parts: "Sequence[Part]", advance: Callable[[int], None]
    ) -> "Iterator[TranscribedPart]":
        where = (place.batch_size, place.device, place.workers)
        for done in transcribe_on_ray(parts, str(model), loading, *where):
            advance(len(done))
            yield done

    return transcribe


def _write_parts(
    parts: "Sequence[Part]",
    transcribe: "Transcribe",
    folder: "PartFolder",
    tally: Tally,
) -> None:
    """Write parts as they are done, and count what is in them."""
    left = {part.number: len(part) for part in parts}
    total = sum(left.values())
    report = now_and_then()
    with progress_bar("Transcribing", total) as advance:
        for done in transcribe(parts, advance):
            # what is given twice is written once
            if left.pop(done.number, None) is None:
                continue
            if done.fault is not None:
                tally.count(0, 0.0, [done.fault])
                continue
            folder.write(done)
            errors = [each["error"] for each in done.failures]
            tally.count(len(done.lines), done.seconds, errors)
            report(
                lambda: f"{total - sum(left.values())} of {total} utterances, {tally}"
            )
    for number, size in left.items():
        reason = f"part {number}: workers died of its {size} utterances; see Ray's log"
        tally.failures.append(reason)
