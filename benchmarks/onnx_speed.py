"""Measure exported graphs beside the run that they were made of, on one CPU thread.

python benchmarks/onnx_speed.py RUN GRAPH [INT8] --output onnx_speed.json

`GRAPH` and `INT8` are folders that ``lact-asr export RUN DIR --format onnx`` made, the
latter with ``--quantize int8``. Rounds take each folder in turn, in a process of its
own, so that a machine that gets slower or faster in between favours none.
"""

import json
import statistics
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from apart import Limits, run_apart
from inference import measure_point
from program import run_program

from lact_modules.cli.output import open_output
from lact_modules.errors import InputError
from lact_modules.training.environment import describe_hardware, package_versions

_MEASURED = ("wall_s", "rtf", "peak_memory_mib", "loaded_memory_mib")


def main(
    folders: Annotated[
        list[Path], typer.Argument(help="The first is what others are compared with.")
    ],
    audio_s: Annotated[float, typer.Option(help="Seconds of a file.")] = 15.0,
    rounds: int = 5,
    repeats: Annotated[int, typer.Option(help="Files of a round.")] = 3,
    threads: int = 1,
    output: Annotated[Path | None, typer.Option(help="Default: stdout.")] = None,
    max_memory: Annotated[float, typer.Option(help="GiB.")] = 8.0,
    limit: Annotated[float, typer.Option(help="Seconds for a point.")] = 600.0,
) -> None:
    """Write medians over rounds as JSON, and set them beside the first folder's."""
    limits = Limits(limit, max_memory, "cpu")
    how = (audio_s, "cpu", threads, repeats)
    points: dict[Path, list[dict[str, float]]] = {folder: [] for folder in folders}
    for number in range(rounds):
        for folder in folders:
            point = run_apart(measure_point, limits, folder, *how, start="spawn")
            if isinstance(point, str):
                raise InputError(f"{folder}: took {point}; give more, or less audio")
            points[folder].append(point)
            print(
                f"round {number + 1}, {folder}: {point['wall_s']:.3f} s, "
                f"{point['peak_memory_mib']:.0f} MiB",
                file=sys.stderr,
            )
    medians = [_median(points[folder]) for folder in folders]
    report = {
        "models": [
            {
                "folder": folder.name,
                **median,
                "times_as_fast": medians[0]["wall_s"] / median["wall_s"],
                "share_of_memory": median["peak_memory_mib"]
                / medians[0]["peak_memory_mib"],
            }
            for folder, median in zip(folders, medians, strict=True)
        ],
        "audio_s": audio_s,
        "rounds": rounds,
        "threads": threads,
        "hardware": describe_hardware("cpu"),
        "versions": package_versions(),
    }
    with open_output(output) as stream:
        json.dump(report, stream, indent=2)


def _median(points: list[dict[str, float]]) -> dict[str, Any]:
    """Give medians; what memory grew by while a file was heard is the model's own."""
    found = {
        key: statistics.median(point[key] for point in points) for key in _MEASURED
    }
    grown = (point["peak_memory_mib"] - point["loaded_memory_mib"] for point in points)
    return {**found, "grown_mib": statistics.median(grown)}


if __name__ == "__main__":
    run_program(main)
