"""What encoders cost: time and memory by the length of the speech, side by side.

python benchmarks/encoders.py --output runs/encoders/1_thread
python benchmarks/encoders.py --points 15x4,60 \
    --system lact_conformer \
    --system 'window 64=lact_conformer {mixer: {window: [64, 64]}}'

Encoders of one size run noise, in evaluation and in a step of training. They take
turns in one process, and the median of the rounds is the time. Memory is what a
process grows by at most, beyond the loaded model, its gradients and the optimizer's
state; each of these numbers is taken in a process of its own, which ends at a limit of
time and memory. What a limit ends at some length is skipped at longer ones. On a GPU
memory is what the allocator gave out.
"""

import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from apart import Limits, run_apart, run_here
from encoder_passes import (
    FRAME_RATE,
    PASSES,
    STREAM,
    Point,
    Setting,
    measure_memory,
)
from encoder_systems import System
from program import run_program
from rich.console import Console
from rich.table import Table
from study import write_study
from timing import take_turns

SYSTEMS = ["lact_conformer", "conformer", "conmamba", "gated_deltanet_narrow"]
SYSTEMS += ["lact_streaming", "speechbrain_conformer"]


class Study:
    """Costs of encoders, as far as they are known.

    Arguments
    ---------
    systems : Sequence[System]
        What is compared.
    setting : Setting
        What they have in common.
    limits : Limits
        Of each pass.
    """

    def __init__(self, systems: Sequence[System], setting: Setting, limits: Limits):
        self.systems = systems
        self.setting, self.limits = setting, limits
        self.encoders = {system.name: setting.load(system) for system in systems}
        self.costs: list[dict[str, Any]] = []
        self.left_out: list[dict[str, Any]] = []

    def measure(self, point: Point, kind: str, rounds: int, budget_s: float) -> None:
        """Measure the encoders that no limit has ended before, and report."""
        found = {"pass": kind, **point._asdict()}
        memory = {}
        for system in self.systems:
            mib = self._measure_memory(system, point, kind)
            if isinstance(mib, str):
                self.left_out.append({"system": system.name, **found, "reason": mib})
                report_progress(point, kind, f"{system.name} is skipped: {mib}")
            else:
                memory[system.name] = mib
        passes = {
            name: self.setting.prepare(self.encoders[name], point, kind)
            for name in memory
        }
        times = take_turns(passes, rounds, budget_s, self.setting.device)
        for name, mib in memory.items():
            cost = {"system": name, **found, "times_s": times[name], "memory_mib": mib}
            self.costs.append(cost)
            report_progress(
                point, kind, f"{name} {median_s(cost):.3g} s, {mib:.0f} MiB"
            )

    def _measure_memory(self, system: System, point: Point, kind: str) -> float | str:
        """Return MiB, or what prevented it, here or at a shorter length."""
        for each in self.left_out:
            if (each["system"], each["pass"]) == (system.name, kind):
                return each["reason"]
        run = run_here if self.limits.device == "cuda" else run_apart
        return run(measure_memory, self.limits, system, self.setting, point, kind)

    def write(self, folder: Path, name: str, **options: Any) -> None:
        """Write ``result.json`` of a study so named."""
        setting = self.setting
        parameters = {
            name: sum(parameter.numel() for parameter in encoder.parameters())
            for name, encoder in self.encoders.items()
        }
        write_study(
            folder,
            {
                "dataset": "noise",
                "recipe": "encoders",
                "model": f"{setting.num_layers}x{setting.d_model}",
            },
            setting.device,
            "cost",
            name,
            **options,
            keep_freed=setting.keep_freed,
            precision="bf16" if setting.bf16 else "fp32",
            frame_rate=FRAME_RATE,
            limits=self.limits._asdict(),
            systems=parameters,
            costs=self.costs,
            left_out=self.left_out,
        )

    def show(self) -> None:
        """Print time and memory by length, and the first one's shares of time."""
        points = list(dict.fromkeys(map(point_of, self.costs + self.left_out)))
        table = Table("", "s, MiB", *map(str, points))
        for kind in (*PASSES, STREAM):
            rows = {
                system.name: [self._cost(system.name, kind, point) for point in points]
                for system in self.systems
            }
            for name, row in rows.items():
                if any(row):
                    table.add_row(kind, name, *map(format_cost, row))
            first, *others = rows
            for name in others:
                shares = map(format_ratio, rows[first], rows[name])
                if any(rows[name]):
                    table.add_row(kind, f"{first} / {name}", *shares)
        Console().print(table)

    def _cost(self, system: str, kind: str, point: Point) -> dict[str, Any] | None:
        for each in self.costs:
            if (each["system"], each["pass"], point_of(each)) == (system, kind, point):
                return each
        return None


def point_of(cost: Mapping[str, Any]) -> Point:
    """Return the length of what was measured or skipped."""
    return Point(cost["seconds"], cost["batch"])


def median_s(cost: Mapping[str, Any]) -> float:
    """Return the median time of the rounds."""
    return statistics.median(cost["times_s"])


def format_cost(cost: Mapping[str, Any] | None) -> str:
    """Write time and memory; a dash for what was skipped."""
    return f"{median_s(cost):.3g}, {cost['memory_mib']:.0f}" if cost else "-"


def format_ratio(
    cost: Mapping[str, Any] | None, other: Mapping[str, Any] | None
) -> str:
    """Write the median of the ratios of rounds; a dash for what was skipped."""
    if not cost or not other:
        return "-"
    pairs = zip(cost["times_s"], other["times_s"], strict=True)
    return f"{statistics.median(a / b for a, b in pairs):.2f}"


def report_progress(point: Point, kind: str, line: str) -> None:
    """Report progress."""
    print(f"{point} s, {kind}: {line}", file=sys.stderr, flush=True)


def main(
    system: Annotated[
        list[str], typer.Option(help="FRAGMENT, or NAME=FRAGMENT {key: value}.")
    ] = SYSTEMS,
    beside: Annotated[
        Path | None, typer.Option(help="Another checkout, for its first system too.")
    ] = None,
    points: Annotated[
        str, typer.Option(help="Seconds; 15x4 is a batch of four of 15 s.")
    ] = "1,5,15x4,60,240,960,1800",
    passes: Annotated[
        str, typer.Option(help="Any of forward, training step, stream.")
    ] = (",".join(PASSES)),
    d_model: int = 256,
    num_layers: int = 4,
    device: str = "cpu",
    bf16: Annotated[bool, typer.Option(help="Autocast to bfloat16.")] = False,
    threads: Annotated[int, typer.Option(help="CPU threads.")] = 1,
    keep_freed: Annotated[
        bool, typer.Option(help="Keep freed memory, as training and lact-asr do.")
    ] = True,
    rounds: Annotated[int, typer.Option(min=1, help="Most timed rounds.")] = 7,
    budget: Annotated[
        float, typer.Option(help="Seconds for all rounds; at least three run.")
    ] = 60.0,
    limit: Annotated[float, typer.Option(help="Time limit of a pass, s.")] = 300.0,
    max_memory: Annotated[float, typer.Option(help="Memory limit in GiB.")] = 8.0,
    study: Annotated[
        str, typer.Option(help="Table of the result: encoders, or choices of one.")
    ] = "encoders",
    output: Path = Path("runs/encoders/all"),
) -> None:
    """Write seconds and MiB of every encoder, pass and length."""
    torch.set_num_threads(threads)
    systems = [System.parse(text) for text in system]
    if beside is not None:
        systems.append(System.parse(system[0], beside))
    lengths = [Point.parse(text) for text in points.split(",")]
    setting = Setting(d_model, num_layers, device, bf16, threads, keep_freed)
    found = Study(systems, setting, Limits(limit, max_memory, device))
    for point in lengths:
        for kind in passes.split(","):
            found.measure(point, kind, rounds, budget)
            found.write(output, study, rounds=rounds)
    found.show()


if __name__ == "__main__":
    run_program(main)
