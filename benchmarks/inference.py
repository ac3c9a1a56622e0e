"""Measure speed and memory of trained models by the length of the audio.

python benchmarks/inference.py RUN... --durations 1,5,15,60,300 --output inference.json

Each point is taken in a fresh process: memory that an earlier one has touched does not
show. Audio is noise with the loudness of speech; decoding is greedy.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from program import run_program
from resident import memory_mib

from lact_modules.allocator import keep_freed_memory
from lact_modules.cli.output import open_output
from lact_modules.errors import InputError
from lact_modules.inference.transcriber import Transcriber
from lact_modules.training.environment import describe_hardware, package_versions

SAMPLE_RATE = 16000
OUT_OF_MEMORY = 3


def measure_point(
    run: Path, audio_s: float, device: str, repeats: int, max_memory_gib: float
) -> dict[str, float]:
    """Transcribe audio of that length; memory in MiB is the process's or the GPU's."""
    transcriber = Transcriber.from_folder(run, device)
    num_samples = round(audio_s * SAMPLE_RATE)
    loudness = (torch.arange(num_samples) / SAMPLE_RATE * 12).sin().abs()
    waveform = 0.1 * loudness * torch.randn(num_samples)
    # kernels are chosen and caches are filled at the first call
    transcriber.transcribe([waveform[:SAMPLE_RATE]])
    is_cuda = transcriber.device.type == "cuda"
    if is_cuda:
        torch.cuda.set_per_process_memory_fraction(
            min(1.0, max_memory_gib * 2**30 / torch.cuda.mem_get_info()[1])
        )
        torch.cuda.reset_peak_memory_stats()
    else:
        limit_memory(max_memory_gib)
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


def limit_memory(max_memory_gib: float) -> None:
    """Let this process grow to that size; what it has reserved already is kept."""
    import resource

    room_mib = 1024 * max_memory_gib - memory_mib()
    limit = round((memory_mib("VmData") + max(0.0, room_mib)) * 2**20)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def measure_apart(
    run: Path, audio_s: float, options: Sequence[str], limit_s: float
) -> dict[str, float] | str:
    """Measure a point in a process of its own; a text tells why there is none."""
    command = [sys.executable, __file__, str(run), "--only", str(audio_s), *options]
    try:
        finished = subprocess.run(
            command, capture_output=True, text=True, timeout=limit_s
        )
    except subprocess.TimeoutExpired:
        return f"{audio_s:g} s: took more than {limit_s:g} s"
    # the kernel kills what takes more than there is
    if finished.returncode in (OUT_OF_MEMORY, -9):
        return f"{audio_s:g} s: out of memory"
    if finished.returncode:
        sys.exit(f"{run}: {finished.stderr.strip().splitlines()[-1]}")
    return json.loads(finished.stdout)


def measure_model(
    run: Path, durations: Sequence[float], options: Sequence[str], limit_s: float
) -> dict[str, Any]:
    """Measure a model until it runs out of durations, memory or time."""
    points: list[dict[str, float]] = []
    stopped = None
    for audio_s in durations:
        point = measure_apart(run, audio_s, options, limit_s)
        if isinstance(point, str):
            stopped = point
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
        return json.loads(result.read_text(encoding="utf-8"))["model"]
    return run.name


def is_memory_error(error: BaseException) -> bool:
    """Tell whether memory ran out; PyTorch says it in words."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        "memory" in str(error)
    )


def main(
    runs: Annotated[list[Path], typer.Argument(help="Output folders of trainings.")],
    durations: Annotated[str, typer.Option(help="Seconds.")] = "1,5,15,60,300,900,3600",
    output: Annotated[Path | None, typer.Option(help="Default: stdout.")] = None,
    device: str = "cpu",
    threads: Annotated[int, typer.Option(help="Of the CPU.")] = 1,
    repeats: int = 3,
    max_memory: Annotated[float, typer.Option(help="GiB.")] = 8.0,
    limit: Annotated[float, typer.Option(help="Seconds for a point.")] = 600.0,
    only: Annotated[float | None, typer.Option(hidden=True)] = None,
) -> None:
    """Write what was measured as JSON."""
    keep_freed_memory()
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    if only is not None:
        try:
            point = measure_point(runs[0], only, device, repeats, max_memory)
        except (MemoryError, RuntimeError, InputError) as error:
            sys.exit(OUT_OF_MEMORY if is_memory_error(error) else str(error))
        print(json.dumps(point))
        return
    options = [f"--device={device}", f"--threads={threads}", f"--repeats={repeats}"]
    options.append(f"--max-memory={max_memory}")
    lengths = sorted(map(float, durations.split(",")))
    report = {
        "models": [measure_model(run, lengths, options, limit) for run in runs],
        "max_memory_gib": max_memory,
        "repeats": repeats,
        "hardware": describe_hardware(device),
        "versions": package_versions(),
    }
    with open_output(output) as stream:
        json.dump(report, stream, indent=2)


if __name__ == "__main__":
    run_program(main)
