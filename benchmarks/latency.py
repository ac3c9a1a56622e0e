"""What latency costs: a streaming model in chunks against itself on whole utterances.

python benchmarks/latency.py RUN... --data digits/LibriSpeech/test

Runs of one recipe with other seeds are taken together; intervals are over utterances.
"""

from pathlib import Path
from typing import Annotated, Any

import numpy
import typer
from program import run_program
from rich.console import Console
from rich.progress import track
from rich.table import Table
from study import (
    Counts,
    count_errors,
    format_difference,
    name_data,
    rate,
    read_some,
    write_study,
)

from lact_modules.cli.option import options
from lact_modules.cli.option.transcribed import load_utterance
from lact_modules.comparison.statistics import paired_bootstrap
from lact_modules.data.manifest.manifest import Utterance
from lact_modules.inference.transcriber import Transcriber


def measure(transcriber: Transcriber, utterances: list[Utterance]) -> Counts:
    """Return the errors and words of each utterance, (U, 2)."""
    outcomes = transcriber.transcribe_files(utterances, 16, load_utterance)
    return count_errors(utterances, [outcome.result.text for outcome in outcomes])


def summarize(counted: dict[float | None, list[Counts]]) -> list[dict[str, Any]]:
    """Return rates by chunk, and what each loses against whole utterances."""
    whole = numpy.mean([counts[:, 0] for counts in counted[None]], axis=0)
    words = counted[None][0][:, 1]
    rows = []
    for chunk, by_run in counted.items():
        errors = numpy.mean([counts[:, 0] for counts in by_run], axis=0)
        loss = paired_bootstrap(whole, errors, words)
        rows.append(
            {
                "chunk_seconds": chunk,
                "wer": float(100 * errors.sum() / words.sum()),
                "wer_by_run": [rate(counts) for counts in by_run],
                "difference": loss.wer,
                "interval": loss.interval,
                "p_value": loss.p_value,
            }
        )
    return rows


def show(splits: dict[str, list[dict[str, Any]]]) -> None:
    """Print the summary as a table."""
    table = Table("data", "chunk s", "WER %", "by run", "difference [95 %]", "p")
    for name, rows in splits.items():
        for row in rows:
            table.add_row(
                name,
                str(row["chunk_seconds"] or "whole"),
                f"{row['wer']:.2f}",
                " ".join(f"{wer:.2f}" for wer in row["wer_by_run"]),
                format_difference(row["difference"], row["interval"]),
                f"{row['p_value']:.4f}",
            )
    Console().print(table)


def main(
    runs: Annotated[list[Path], typer.Argument(help="Trainings that differ in seed.")],
    data: Annotated[list[Path], typer.Option(help="Split folders or manifests.")],
    chunks: str = "0.32,0.64,1.28",
    left: Annotated[float, typer.Option(help="Left context in seconds.")] = 5.12,
    limit: Annotated[
        int | None, typer.Option(help="Utterances per data set, evenly spread.")
    ] = None,
    beam_size: Annotated[int, typer.Option(help="0 is greedy.")] = 0,
    lm: Annotated[Path | None, typer.Option(help="N-gram for the beam search.")] = None,
    output: Path = Path("runs/latency"),
    device: str = "cpu",
) -> None:
    """Measure every run at every latency."""
    search = options.given(beam_size=beam_size or None, lm=lm)
    divisions = [None, *map(float, chunks.split(","))]
    splits = {}
    for path in data:
        utterances = read_some(path, limit)
        counted: dict[float | None, list[Counts]] = {}
        for chunk in track(divisions, name_data(path)):
            context = None if chunk is None else left
            chosen = options.given(chunk_seconds=chunk, left_seconds=context, **search)
            for run in runs:
                transcriber = Transcriber.from_folder(run, device, **chosen)
                found = measure(transcriber, utterances)
                counted.setdefault(chunk, []).append(found)
        splits[name_data(path)] = summarize(counted)
    write_study(
        output,
        runs[0],
        device,
        "streaming",
        "latency",
        left_seconds=left,
        decoding=f"beam {beam_size}{' + n-gram' if lm else ''}" if search else "greedy",
        latency=splits,
    )
    show(splits)


if __name__ == "__main__":
    run_program(main)
