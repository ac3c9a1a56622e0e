"""Compare methods of test-time training on corrupted copies of a test set.

python benchmarks/test_time_training.py RUN --data digits/LibriSpeech/test \
    --unseen digits/LibriSpeech/test-unseen-speaker \
    --methods benchmarks/methods/published.yaml \
    --noise-folder noise --rir-folder rirs

The first method is what the others are compared with. What has been measured is left
alone, so it can be stopped at any time and started again. With ``--stream 40`` every
seed is a trial of its own: one stream in which the condition changes after 40
utterances, clean speech among the conditions, in an order that the seed draws. With
``--join 60`` utterances that follow upon each other are joined to recordings of at most
a minute, which methods recognize as a whole.
"""

import json
import random
import time
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy
import typer
import yaml
from program import run_program
from rich.console import Console
from rich.progress import track
from rich.table import Table
from study import (
    count_errors,
    format_difference,
    rate,
    read_some,
    write_json,
    write_study,
)
from torch import Tensor

from lact_modules.cli.option.transcribed import load_utterance
from lact_modules.comparison.statistics import paired_bootstrap
from lact_modules.data.conditions import Condition, read_conditions
from lact_modules.data.long_form.joining import join_signals, pack
from lact_modules.data.manifest.manifest import Utterance
from lact_modules.inference.transcriber import Transcriber

CONDITIONS = (
    "gaussian:0.005,gaussian:0.01,gaussian:0.015,gaussian:0.02,"
    "noise:10,noise:5,noise:0,room:0,speed:0.9,speed:1.1"
)
GROUP = "test_time_training"
CLEAN = Condition("clean", ())
BATCH_SIZE = 16
# of silence, between utterances that are joined
GAP_SECONDS = 0.5
# draw something else with every seed
_RANDOM = ("gaussian", "noise")


class Piece(NamedTuple):
    """An utterance, and how it is corrupted."""

    utterance: Utterance
    condition: Condition
    seed: int

    def load(self) -> Tensor:
        """Return the corrupted samples (N,)."""
        clean = load_utterance(self.utterance)
        return self.condition.corrupt(clean, self.utterance.id, self.seed)


Recording = Sequence[Piece]
"""Utterances that are run as one."""

Trials = dict[str, list[Piece]]


def list_trials(
    data: Sequence[Utterance],
    unseen: Sequence[Utterance],
    conditions: Sequence[Condition],
    seeds: Sequence[int],
) -> Trials:
    """Return what is transcribed in each trial, a condition and a seed."""
    trials = {"clean": [Piece(each, CLEAN, 0) for each in data]}
    if unseen:
        trials["unseen"] = [Piece(each, CLEAN, 0) for each in unseen]
    for condition in conditions:
        is_random = any(kind in condition.name for kind in _RANDOM)
        for seed in seeds if is_random else seeds[:1]:
            pieces = [Piece(each, condition, seed) for each in data]
            trials[f"{condition.name}/{seed}"] = pieces
    return trials


def list_streams(
    data: Sequence[Utterance],
    conditions: Sequence[Condition],
    seeds: Sequence[int],
    size: int,
) -> Trials:
    """Return a stream for each seed: all conditions, `size` utterances of each."""
    trials = {}
    for seed in seeds:
        order = [CLEAN, *conditions]
        random.Random(seed).shuffle(order)
        listed = zip(cycle(data), (each for each in order for _ in range(size)))
        trials[f"stream/{seed}"] = [Piece(*each, seed) for each in listed]
    return trials


def make_recordings(pieces: Sequence[Piece], seconds: float | None) -> list[Recording]:
    """Cut a trial into recordings of so many seconds at most, by default of a piece."""
    if seconds is None:
        return [[piece] for piece in pieces]
    streams = pack([piece.utterance for piece in pieces], seconds, GAP_SECONDS)
    rest = iter(pieces)
    return [[next(rest) for _ in stream] for stream in streams]


def measure(
    transcriber: Transcriber, recordings: Sequence[Recording]
) -> dict[str, Any]:
    """Transcribe the recordings of a trial; time model and adaptation alone."""
    hypotheses, wall_s = [], 0.0
    for batch in _batches(recordings):
        waveforms = [
            join_signals([piece.load() for piece in recording], GAP_SECONDS)
            for recording in batch
        ]
        started = time.perf_counter()
        outputs = transcriber.run_model(waveforms)
        wall_s += time.perf_counter() - started
        hypotheses += [hypothesis.text for hypothesis in transcriber.decoder(*outputs)]
    counts = numpy.concatenate(
        [
            count_errors([piece.utterance for piece in recording], text)
            for recording, text in zip(recordings, hypotheses, strict=True)
        ]
    )
    errors, words = counts.T.tolist()
    return {"wer": rate(counts), "wall_s": wall_s, "errors": errors, "words": words}


def _batches(recordings: Sequence[Recording]) -> Iterator[Sequence[Recording]]:
    """Take utterances together, and what is joined of several alone."""
    size = 1 if any(len(recording) > 1 for recording in recordings) else BATCH_SIZE
    return (recordings[i : i + size] for i in range(0, len(recordings), size))


def run_method(
    run: Path,
    options: dict[str, Any] | None,
    trials: Trials,
    output: Path,
    device: str,
    join: float | None = None,
) -> dict[str, Any]:
    """Measure a method on all trials that its file does not hold yet."""
    found = json.loads(output.read_text("utf-8")) if output.exists() else {}
    done = found.setdefault("trials", {})
    missing = [name for name in trials if name not in done]
    if options is not None and "parameters" in options:
        options = {**options, "parameters": tuple(options["parameters"])}
    for name in track(missing, output.stem):
        transcriber = Transcriber.from_folder(run, device, ttt=options)
        recordings = make_recordings(trials[name], join)
        done[name] = measure(transcriber, recordings)
        if transcriber.adapter is not None:
            done[name]["kept_unadapted"] = transcriber.adapter.report.kept_unadapted
        write_json(output, found)
    return done


def summarize(measured: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return means over trials, and what each method gains over the first one."""
    first, *_ = measured.values()
    summary = {}
    for method, trials in measured.items():
        ours, theirs, words = (
            numpy.concatenate([one[name][key] for name in trials]).astype(float)
            for one, key in ((trials, "errors"), (first, "errors"), (trials, "words"))
        )
        rises = {name: trials[name]["wer"] - first[name]["wer"] for name in trials}
        gain = paired_bootstrap(theirs, ours, words.astype(int))
        summary[method] = {
            "wer": float(numpy.mean([trial["wer"] for trial in trials.values()])),
            "difference": gain.wer,
            "interval": gain.interval,
            "p_value": gain.p_value,
            "worst": max(rises, key=lambda name: rises[name]),
            "worst_rise": max(rises.values()),
            "wall_s": sum(trial["wall_s"] for trial in trials.values()),
            "kept_unadapted": sum(t.get("kept_unadapted", 0) for t in trials.values()),
            "wer_by_trial": {name: trial["wer"] for name, trial in trials.items()},
        }
    return summary


def show(summary: dict[str, Any]) -> None:
    """Print the summary as a table."""
    headings = ("method", "WER %", "difference [95 %]", "p", "worst rise", "s", "kept")
    table = Table(*headings)
    for method, row in summary.items():
        table.add_row(
            *(method, f"{row['wer']:.2f}"),
            format_difference(row["difference"], row["interval"]),
            f"{row['p_value']:.4f}",
            f"{row['worst_rise']:+.2f} {row['worst']}",
            *(f"{row['wall_s']:.0f}", str(row["kept_unadapted"])),
        )
    Console().print(table)


def main(
    run: Annotated[Path, typer.Argument(help="Output folder of a training.")],
    data: Annotated[Path, typer.Option(help="Split folder or manifest to corrupt.")],
    methods: Annotated[Path, typer.Option(help="YAML: options of --ttt by name.")],
    unseen: Annotated[
        Path | None, typer.Option(help="Other data, as they are.")
    ] = None,
    conditions: str = CONDITIONS,
    noise_folder: Path | None = None,
    rir_folder: Path | None = None,
    seeds: str = "1,2,3",
    limit: Annotated[
        int | None, typer.Option(help="Utterances of each data set, evenly spread.")
    ] = None,
    stream: Annotated[
        int | None, typer.Option(help="Utterances until a stream's condition changes.")
    ] = None,
    join: Annotated[
        float | None,
        typer.Option(help="Seconds of recordings that utterances are joined to."),
    ] = None,
    output: Path = Path("runs/test_time_training"),
    device: str = "cpu",
) -> None:
    """Measure every method under every condition."""
    listed = read_conditions(conditions.split(","), noise_folder, rir_folder)
    drawn = [int(seed) for seed in seeds.split(",")]
    utterances = read_some(data, limit)
    if stream is None:
        trials = list_trials(utterances, read_some(unseen, limit), listed, drawn)
    else:
        trials = list_streams(utterances, listed, drawn, stream)
    measured = {
        name: run_method(run, options, trials, output / f"{name}.json", device, join)
        for name, options in yaml.safe_load(methods.read_text("utf-8")).items()
    }
    summary = summarize(measured)
    write_study(output, run, device, GROUP, methods.stem, methods=summary)
    show(summary)


if __name__ == "__main__":
    run_program(main)
