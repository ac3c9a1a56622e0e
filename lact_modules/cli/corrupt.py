"""``lact-asr corrupt``: copies of a test set, each under a condition."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lact_modules.cli.option.transcribed import (
    Data,
    load_utterance,
    read_transcribed,
)
from lact_modules.cli.terminal.output import show_progress
from lact_modules.cli.terminal.tally import Tally
from lact_modules.cli.terminal.worker import start_worker
from lact_modules.errors import InputError

if TYPE_CHECKING:
    from lact_modules.data.corrupted_copy import CorruptedCopy
    from lact_modules.data.manifest.manifest import Utterance
    from lact_modules.inference.files import Outcome


def corrupt(
    data: Data,
    out: Annotated[
        Path, typer.Argument(help="Output folder; gets a folder per condition.")
    ],
    condition: Annotated[
        list[str],
        typer.Option(
            help="gaussian:SIGMA, noise:SNR_DB, room, room:RESPONSE, speed:FACTOR, "
            "band:SAMPLE_RATE, codec:NAME or clip:FRACTION; several joined by + apply "
            "in order. Repeat for more copies.",
            metavar="NAME:VALUE",
        ),
    ],
    noise_folder: Annotated[
        Path | None, typer.Option(help="Folder of noise recordings for noise.")
    ] = None,
    rir_folder: Annotated[
        Path | None, typer.Option(help="Folder of impulse responses for room.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 1,
) -> None:
    """Copy a test set with noise, rooms, codecs, ..., reproducible to the byte.

    Each copy has a manifest.jsonl, which evaluate takes.
    """
    from lact_modules.data.conditions import read_conditions
    from lact_modules.data.corrupted_copy import open_copies
    from lact_modules.data.manifest.manifest import check_ids

    conditions = read_conditions(condition, noise_folder, rir_folder)
    utterances, unusable = read_transcribed(data)
    utterances = list(check_ids(utterances))
    with open_copies(out, conditions, seed) as copies, start_worker() as worker:
        tally = Tally(unusable, done="copied")
        for utterance in show_progress(utterances, "Corrupting", len(utterances)):
            tally.add(worker.submit(_copy, utterance, copies).result())
        tally.report()
        if not tally.num_read:
            raise InputError(f"{data}: not one utterance could be read")
    for copy in copies:
        typer.echo(
            f"{copy.folder}: {len(copy.utterances)} utterances, "
            f"{copy.seconds / 3600:.2f} h, {copy.num_bytes / 1e6:.1f} MB"
        )
    if tally.failures:
        raise typer.Exit(2)


def _copy(
    utterance: "Utterance", copies: Sequence["CorruptedCopy"]
) -> "Outcome[Utterance, None]":
    """Read an utterance once, for all copies."""
    from lact_modules.data.audio import SAMPLE_RATE
    from lact_modules.inference.files import Outcome

    try:
        waveform = load_utterance(utterance)
    except InputError as error:
        return Outcome(utterance, 0.0, error=error)
    for copy in copies:
        copy.add(utterance, waveform)
    return Outcome(utterance, len(waveform) / SAMPLE_RATE)
