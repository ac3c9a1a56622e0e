"""Measure exported graphs beside the run that they were made of.

python benchmarks/onnx_speed.py RUN GRAPH INT8 --output runs/onnx/NAME

`GRAPH` and `INT8` are folders that ``lact-asr export RUN DIR --format onnx`` made, the
latter with ``--quantize int8``. ``lact-asr`` runs a graph, and onnxruntime alone does,
on whole files and, if it was exported with ``--streaming``, on a stream. Rounds take
each program in turn, in a process of its own, so that a machine that gets slower or
faster in between favours none. Seconds are those of the processor.
"""

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from program import run_program
from study import write_study

from lact_modules.errors import InputError
from lact_modules.model_store.export import CONFIG_FILE, GRAPH_FILE, STREAM_FILE

WORKER = Path(__file__).with_name("run_alone.py")


class Way(NamedTuple):
    """How a model is run.

    Arguments
    ---------
    folder : Path
        The model.
    form : str
        ``PyTorch``, or what a graph computes in: ``float32`` or ``int8``.
    program : str
        ``lact-asr`` or ``onnxruntime``.
    kind : str
        ``file`` or ``stream``.
    """

    folder: Path
    form: str
    program: str
    kind: str


def list_ways(folders: Sequence[Path], kind: str) -> Iterator[Way]:
    """List all ways to run files or streams; none if a folder does not stream."""
    graphs = [folder for folder in folders if (folder / GRAPH_FILE).is_file()]
    if kind == "stream" and not all((each / STREAM_FILE).is_file() for each in graphs):
        return
    for folder in folders:
        if folder not in graphs:
            yield Way(folder, "PyTorch", "lact-asr", kind)
            continue
        config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
        form = config["onnx"]["quantize"] or "float32"
        for program in "lact-asr", "onnxruntime":
            yield Way(folder, form, program, kind)


def measure(way: Way, seconds: float, repeats: int, threads: int) -> dict[str, Any]:
    """Measure one way in a new process: seconds of each repeat, and MiB at most."""
    arguments = way.program, way.folder, way.kind, seconds, repeats, threads
    finished = subprocess.run(
        [sys.executable, WORKER, *map(str, arguments)], capture_output=True, text=True
    )
    if finished.returncode:
        reason = finished.stderr.strip().rpartition("\n")[2]
        raise InputError(f"{way.folder}: {way.program} cannot run it ({reason})")
    return json.loads(finished.stdout)


def main(
    folders: Annotated[
        list[Path], typer.Argument(help="A run, then what was exported of it.")
    ],
    file_s: Annotated[float, typer.Option(help="Seconds of a file.")] = 15.0,
    stream_s: Annotated[float, typer.Option(help="Seconds of a stream.")] = 60.0,
    rounds: Annotated[int, typer.Option(min=1)] = 7,
    repeats: Annotated[int, typer.Option(min=1, help="Of a round.")] = 3,
    threads: int = 1,
    output: Path = Path("runs/onnx/all"),
) -> None:
    """Write what each way of running the model takes."""
    plan = [
        (way, seconds)
        for kind, seconds in (("file", file_s), ("stream", stream_s))
        for way in list_ways(folders, kind)
    ]
    found: list[list[dict[str, Any]]] = [[] for _ in plan]
    for number in range(rounds):
        for (way, seconds), measured in zip(plan, found, strict=True):
            measured.append(measure(way, seconds, repeats, threads))
            median_s = statistics.median(measured[-1]["times_s"])
            what = f"{way.kind}, {way.form} by {way.program}: {median_s:.4f} s"
            print(f"round {number + 1}, {what}", file=sys.stderr, flush=True)
    costs = [
        {
            **way._asdict(),
            "folder": way.folder.name,
            "seconds": seconds,
            "times_s": [statistics.median(each["times_s"]) for each in measured],
            "memory_mib": statistics.median(each["memory_mib"] for each in measured),
        }
        for (way, seconds), measured in zip(plan, found, strict=True)
    ]
    options = {"rounds": rounds, "repeats": repeats, "threads": threads}
    write_study(output, folders[0], "cpu", "onnx", "speed", **options, costs=costs)


if __name__ == "__main__":
    run_program(main)
