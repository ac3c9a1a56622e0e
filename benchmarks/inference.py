"""Measure speed and memory of trained models by the length of the audio.

python benchmarks/inference.py RUN... --durations 1,5,15,60,300 --output inference.json

Each point is taken in a process of its own: memory that an earlier one has touched does
not show. Audio is noise with the loudness of speech; decoding is greedy.
"""

import json
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from apart import Limits, run_apart
from noise import SAMPLE_RATE, make_noise
from program import run_program
from resident import memory_mib

from lact_modules.allocator import keep_freed_memory
from lact_modules.cli.terminal.output import open_output
from lact_modules.inference.transcriber import Transcriber
from lact_modules.training.outcome.environment import (
    describe_hardware,
    package_versions,
)


def measure_point(
    run: Path, audio_s: float, device: str, threads: int, repeats: int
) -> dict[str, float]:
    """Transcribe audio of that length; memory in MiB is the process's or the GPU's."""
    keep_freed_memory()
    torch.set_num_threads(threads)
    transcriber = Transcriber.from_folder(run, device)
    waveform = torch.from_numpy(make_noise(audio_s))
    # kernels are chosen and caches are filled at the first call
    transcriber.transcribe([waveform[:SAMPLE_RATE]])
    is_cuda = transcriber.device.type == "cuda"
    if is_cuda:
        torch.cuda.reset_peak_memory_stats()
    loaded_mib = torch.cuda.memory_allocated() / 2**20 if is_cuda else memory_mib()
    walls = []
    for _ in range(repeats):
        started = time.perf_counter()
        transcriber.transcribe([waveform])
        walls.append(time.perf_counter() - started)
    wall_s = statistics.median(walls)
    peak = torch.cuda.max_memory_allocated() / 2**20 if is_cuda else memory_mib("VmHWM")
    return {
        "audio_s": audio_s,
        "wall_s": wall_s,
        "rtf": wall_s / audio_s,
        "peak_memory_mib": peak,
        "loaded_memory_mib": loaded_mib,
    }


def measure_model(
    run: Path,
    durations: Sequence[float],
    limits: Limits,
    threads: int,
    repeats: int,
) -> dict[str, Any]:
    """Measure a model until it runs out of durations, memory or time."""
    points: list[dict[str, float]] = []
    stopped = None
    for audio_s in durations:
        how = (limits.device, threads, repeats)
        point = run_apart(measure_point, limits, run, audio_s, *how, start="spawn")
        if isinstance(point, str):
            stopped = f"{audio_s:g} s: took {point}"
            print(f"{run.name}: {stopped}", file=sys.stderr)
            break
        points.append(point)
        print(
            f"{run.name}: {audio_s:g} s, RTF {point['rtf']:.4f}, "
            f"{point['peak_memory_mib']:.0f} MiB",
            file=sys.stderr,
        )
    return {"name": model_name(run), "points": points, "stopped": stopped}


def model_name(run: Path) -> str:
    """Name a run's model as its result does."""
    result = run / "result.json"
    if result.is_file():
        return json.loads(result.read_text(encoding="utf-8")).get("model", run.name)
    return run.name


def main(
    runs: Annotated[list[Path], typer.Argument(help="Output folders of trainings.")],
    durations: Annotated[str, typer.Option(help="Seconds.")] = "1,5,15,60,300,900,3600",
    output: Annotated[Path | None, typer.Option(help="Default: stdout.")] = None,
    device: str = "cpu",
    threads: Annotated[int, typer.Option(help="Of the CPU.")] = 1,
    repeats: int = 3,
    max_memory: Annotated[float, typer.Option(help="GiB.")] = 8.0,
    limit: Annotated[float, typer.Option(help="Seconds for a point.")] = 600.0,
) -> None:
    """Write what was measured as JSON."""
    torch.set_num_threads(threads)
    limits = Limits(limit, max_memory, device)
    lengths = sorted(map(float, durations.split(",")))
    report = {
        "models": [
            measure_model(run, lengths, limits, threads, repeats) for run in runs
        ],
        "max_memory_gib": max_memory,
        "repeats": repeats,
        "hardware": describe_hardware(device),
        "versions": package_versions(),
    }
    with open_output(output) as stream:
        json.dump(report, stream, indent=2)


if __name__ == "__main__":
    run_program(main)
