"""Time greedy transcription by several models in turns, and parts of it.

python benchmarks/in_turns.py RUN RUN@3 ... --seconds 15 --data MANIFEST --limit 100

`RUN@3` is `RUN` with ``--exit-block 3``. All models are in one process, and each round
takes each in turn, so that a machine that gets slower in between favours none: a ratio
is the median of the ratios of rounds, and seconds are those of the processor. Audio is
noise with the loudness of speech; with `--data`, word error rates on some of its
utterances are added.
"""

import json
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from noise import make_noise
from program import run_program
from study import count_errors, rate, read_some
from timing import take_turns
from torch import Tensor

from lact_modules.allocator import keep_freed_memory
from lact_modules.cli.terminal.output import open_output
from lact_modules.inference.transcriber import Transcriber
from lact_modules.training.outcome.environment import (
    describe_hardware,
    package_versions,
)

_PARTS = "transcription", "features", "front end", "encoder"
"""The front end is what makes frames of the features."""

_BUDGET_S = 600.0


def open_model(name: str) -> Transcriber:
    """Load ``RUN`` or ``RUN@BLOCK``."""
    folder, _, block = name.partition("@")
    return Transcriber.from_folder(folder, exit_block=int(block) if block else None)


def list_parts(transcriber: Transcriber, waveform: Tensor) -> list[Callable[[], Any]]:
    """Return calls that compute `_PARTS`."""
    model = transcriber.model
    batch, lengths = waveform[None], torch.tensor([len(waveform)])
    features = model.frontend.features(batch, lengths)
    frames = model.frontend.subsample(*features)
    return [
        partial(transcriber.transcribe, [waveform]),
        partial(model.frontend.features, batch, lengths),
        partial(model.frontend.subsample, *features),
        partial(model.encoder, *frames),
    ]


@torch.inference_mode()
def time_models(
    models: dict[str, Transcriber], seconds: float, rounds: int
) -> dict[str, dict[str, float]]:
    """Return seconds, real-time factors, ratios to the first model and to the whole."""
    waveform = torch.from_numpy(make_noise(seconds))
    calls = {
        f"{name} {part}": call
        for name, model in models.items()
        for part, call in zip(_PARTS, list_parts(model, waveform), strict=True)
    }
    functions = {key: partial(_ignore_turn, call) for key, call in calls.items()}
    times = take_turns(functions, rounds, _BUDGET_S, "cpu", time.process_time)
    first = times[f"{next(iter(models))} {_PARTS[0]}"]
    report = {}
    for name in models:
        whole = times[f"{name} {_PARTS[0]}"]
        cpu_s = statistics.median(whole)
        row = {"cpu_s": cpu_s, "rtf": cpu_s / seconds, "ratio": _ratio(whole, first)}
        for part in _PARTS[1:]:
            row[f"share of {part}"] = _ratio(times[f"{name} {part}"], whole)
        report[name] = row
    return report


def _ignore_turn(call: Callable[[], Any], turn: int) -> None:
    call()


def _ratio(times: list[float], others: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(times, others, strict=True))


def word_error_rate(model: Transcriber, data: Path, limit: int) -> float:
    """Transcribe evenly spread utterances; percent."""
    utterances = read_some(data, limit)
    texts = []
    for outcome in model.transcribe_files(utterances, load=model.load_utterance):
        if outcome.error is not None:
            raise outcome.error
        texts.append(outcome.result.text)
    return rate(count_errors(utterances, texts))


def main(
    names: Annotated[list[str], typer.Argument(help="RUN or RUN@BLOCK.")],
    seconds: Annotated[float, typer.Option(help="Of the audio.")] = 15.0,
    rounds: int = 15,
    data: Annotated[Path | None, typer.Option(help="Manifest or folder.")] = None,
    limit: Annotated[int, typer.Option(help="Utterances of the data.")] = 100,
    threads: Annotated[int, typer.Option(help="Of the CPU.")] = 1,
    output: Annotated[Path | None, typer.Option(help="Default: stdout.")] = None,
) -> None:
    """Write what was measured as JSON."""
    keep_freed_memory()
    torch.set_num_threads(threads)
    models = {name: open_model(name) for name in names}
    report: dict[str, Any] = {"models": time_models(models, seconds, rounds)}
    if data is not None:
        for name, model in models.items():
            report["models"][name]["wer"] = word_error_rate(model, data, limit)
    report |= {"seconds": seconds, "hardware": describe_hardware("cpu")}
    report["versions"] = package_versions()
    with open_output(output) as stream:
        json.dump(report, stream, indent=2)


if __name__ == "__main__":
    run_program(main)
