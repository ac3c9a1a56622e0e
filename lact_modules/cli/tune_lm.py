"""``lact-asr tune-lm``: find weights of language models on development data."""

import json
import math
import shlex
import sys
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml
from rich import box
from rich.table import Table

from lact_modules.cli.option import options
from lact_modules.cli.option.transcribed import load_utterance, read_transcribed
from lact_modules.cli.terminal.output import open_report, print_table, show_progress
from lact_modules.cli.terminal.tally import Tally
from lact_modules.errors import InputError

if TYPE_CHECKING:
    from lact_modules.inference.tuning import Trial, Tuner


def tune_lm(
    model: options.Model,
    data: Annotated[
        Path,
        typer.Option(
            help="Development set: split folder, or manifest as for evaluate."
        ),
    ],
    lm: options.LanguageModel = None,
    lexicon: options.Lexicon = None,
    rescore: options.Rescore = None,
    lm_weights: Annotated[
        str, typer.Option(help="Weights of --lm to try.")
    ] = "0.5,1,1.5,2,2.5",
    word_scores: Annotated[
        str | None,
        typer.Option(
            help="Word scores to try; by default -1,0,1 in the CTC beam search."
        ),
    ] = None,
    rescore_weights: Annotated[
        str, typer.Option(help="Weights of --rescore to try.")
    ] = "0,0.1,0.2,0.3,0.5,0.7,1",
    rescore_word_scores: Annotated[
        str, typer.Option(help="Word scores to try in rescoring.")
    ] = "-1,0,1,2",
    beam_size: options.BeamSize = 50,
    num_best: options.NumBest = None,
    search: options.Search = None,
    ctc_weight: options.CTCWeight = None,
    rescore_lowercase: options.RescoreLowercase = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="File for all trials; -: stdout.")
    ] = None,
    batch_size: options.BatchSize = 8,
    device: options.Device = "auto",
    allow_test: Annotated[
        bool,
        typer.Option(help="Allow data whose name is that of a test set."),
    ] = False,
) -> None:
    """Tune the weights of --lm, then of --rescore, for the lowest word error rate.

    The model runs once; its outputs are kept in memory.
    """
    _check_data(data, allow_test)
    if lm is None and rescore is None:
        raise InputError("tune-lm: nothing to tune; give --lm, --rescore or both")
    rescoring_grid = {
        "rescore_weight": _numbers("--rescore-weights", rescore_weights),
        "rescore_word_score": _numbers("--rescore-word-scores", rescore_word_scores),
    }
    decoding = options.given(
        search=search,
        beam_size=beam_size,
        num_best=num_best,
        lm=lm,
        lexicon=lexicon,
        ctc_weight=ctc_weight,
    )
    with open_report(json_file) as stream:
        tuner, tally = _run_model(model, device, data, batch_size)
        trials: dict[str, list[Trial]] = {}
        if lm is not None:
            grid = {"lm_weight": _numbers("--lm-weights", lm_weights)}
            # where there are no words to count, none are needed
            if word_scores is None and tuner.scores_words(**decoding):
                word_scores = "-1,0,1"
            if word_scores is not None:
                grid["word_score"] = _numbers("--word-scores", word_scores)
            trials["search"] = _try(tuner.try_search, grid, decoding)
            decoding |= _choose(tuner, trials["search"], grid)
        if rescore is not None:
            decoding |= options.given(
                rescore=rescore, rescore_lowercase=rescore_lowercase
            )
            trials["rescoring"] = _try(tuner.try_rescoring, rescoring_grid, decoding)
            decoding |= _choose(tuner, trials["rescoring"], rescoring_grid)
        decoding = {
            k: str(v) if isinstance(v, Path) else v for k, v in decoding.items()
        }
        if stream is not None:
            json.dump(_summary(trials, decoding), stream, indent=2)
        _print_settings(decoding)
    if tally.failures:
        raise typer.Exit(2)


def _check_data(data: Path, allow_test: bool) -> None:
    if data.resolve().name.startswith("test") and not allow_test:
        raise InputError(
            f"{data}: a test set; tune on development data, or give --allow-test"
        )


def _numbers(option: str, text: str) -> list[float]:
    try:
        numbers = [float(number) for number in text.split(",")]
    except ValueError:
        numbers = [math.nan]
    if not all(map(math.isfinite, numbers)):
        raise InputError(
            f"{option} {text!r}: expected numbers between commas, such as 0.5,1,1.5"
        )
    if "weight" in option and min(numbers) < 0:
        raise InputError(f"{option} {text!r}: a weight must not be negative")
    return numbers


def _run_model(
    model: Path, device: str, data: Path, batch_size: int
) -> "tuple[Tuner, Tally]":
    from lact_modules.inference.files import process_files
    from lact_modules.inference.transcriber import Transcriber
    from lact_modules.inference.tuning import Tuner

    utterances, unusable = read_transcribed(data)
    tuner = Tuner(Transcriber.from_folder(model, device))
    tally = Tally(unusable)
    outcomes = process_files(utterances, tuner.add, batch_size, load_utterance)
    for outcome in show_progress(outcomes, "Running the model", len(utterances)):
        tally.add(outcome)
        if outcome.result is not None:
            tuner.references[outcome.result] = outcome.source.text
    tally.report()
    if not tuner.references:
        raise InputError(f"{data}: not one utterance could be read")
    return tuner, tally


def _try(
    try_grid: "Callable[..., Iterator[Trial]]",
    grid: dict[str, list[float]],
    decoding: dict[str, Any],
) -> "list[Trial]":
    num_trials = math.prod(map(len, grid.values()))
    trials = try_grid(grid, **decoding)
    return list(show_progress(trials, "Trying weights", num_trials))


def _choose(
    tuner: "Tuner", trials: "list[Trial]", grid: dict[str, list[float]]
) -> dict[str, float]:
    """Print all trials, and return the best one's weights."""
    from lact_modules.inference.tuning import choose_trial, edges

    best = choose_trial(tuner.references, trials)
    first, *others = grid
    rows = [list(row) for _, row in groupby(trials, lambda t: t.weights[first])]
    columns = [
        "\n".join([*(f"{name} {trial.weights[name]:g}" for name in others), "WER %"])
        for trial in rows[0]
    ]
    table = Table(first, *columns, box=box.SIMPLE_HEAD)
    for row in rows:
        rates = [f"{t.wer:.2f}{' *' if t is best else ''}" for t in row]
        table.add_row(f"{row[0].weights[first]:g}", *rates)
    print_table(table)
    for name in edges(best, grid):
        print(
            f"{name} {best.weights[name]:g}: at the edge of the grid; extend the grid",
            file=sys.stderr,
        )
    return best.weights


def _summary(
    trials: "dict[str, list[Trial]]", decoding: dict[str, Any]
) -> dict[str, Any]:
    tried = {
        name: [{**trial.weights, "wer": trial.wer} for trial in step]
        for name, step in trials.items()
    }
    return {"trials": tried, "decoding": decoding}


def _print_settings(decoding: dict[str, Any]) -> None:
    words = [
        word
        for name, value in decoding.items()
        for word in _option(name.replace("_", "-"), value)
    ]
    print("Options of transcribe and evaluate:\n")
    print(f"  {shlex.join(words)}\n")
    print("For the YAML of a recipe:\n")
    plain = {k: str(v) if isinstance(v, Path) else v for k, v in decoding.items()}
    print(yaml.safe_dump({"decoding": plain}, sort_keys=False), end="")


def _option(name: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    return [f"--{name}", f"{value:g}" if isinstance(value, float) else str(value)]
