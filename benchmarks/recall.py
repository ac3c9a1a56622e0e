"""Associative recall over a gap, by mixers that can no longer see what is asked.

python benchmarks/recall.py --output runs/recall/rules
python benchmarks/recall.py --systems "window;Muon, down" --pairs 4,8 --lengths 64,128

A sequence begins with pairs of a key and its value, scattered among blanks; blanks
follow, and then the keys again in another order, each to be answered by its value
(after arXiv 2312.04927). The gap is longer than what attention reaches through all
blocks, so nothing but a memory can answer. Two blocks are trained from scratch on fresh
sequences: half a minute on one core, less where they soon have learned it. Started
again with the same ``--output``, the study continues: results there are kept.
"""

import itertools
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Annotated, Any, NamedTuple

import torch
import typer
from program import run_program
from recall_task import SYSTEMS, Objective, Recall, Recaller
from rich.console import Console
from rich.progress import track
from rich.table import Table
from study import write_study
from torch import nn

from lact_modules.errors import InputError

WARMUP_STEPS, SOLVED, RECENT = 50, 0.99, 20
NUM_TESTED = 512
SUBJECT = {"dataset": "recall", "recipe": "synthetic", "model": "two_blocks"}


class Trained(NamedTuple):
    """What became of a training: accuracy on unseen sequences, and what it took."""

    accuracy: float
    steps: int
    cpu_seconds: float
    parameters: int


def train(
    model: nn.Module,
    task: Recall,
    max_steps: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
) -> Trained:
    """Train on fresh sequences until they are solved, or for so many steps."""
    drawn = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), learning_rate, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / WARMUP_STEPS, 1 - step / max_steps)
    )
    started = time.process_time()
    recent: list[float] = []
    for step in range(max_steps):
        stage = task.stage(step / max_steps)
        tokens, answers = task.draw(batch_size, drawn)
        loss, accuracy = stage.score(model(tokens), answers)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        recent.append(accuracy)
        is_solved = len(recent) >= RECENT and min(recent[-RECENT:]) >= SOLVED
        if is_solved and stage == task.stage(1.0):
            break
    seconds = time.process_time() - started
    model.eval()
    with torch.inference_mode():
        drawn = torch.Generator().manual_seed(seed + 10**6)
        tokens, answers = task.draw(NUM_TESTED, drawn)
        _, accuracy = task.stage(1.0).score(model(tokens), answers)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return Trained(accuracy, len(recent), seconds, parameters)


class Study:
    """Results so far, by system and task; it continues where it was stopped.

    Arguments
    ---------
    folder : Path
        Where ``result.json`` is, or will be.
    **settings : Any
        Of all trainings.

    Raises
    ------
    InputError
        If there are results that cannot be read, or were found with other settings.
    """

    def __init__(self, folder: Path, **settings: Any):
        self.folder, self.settings = folder, settings
        self.rows: dict[tuple[str, Recall], dict[str, Any]] = {}
        path = folder / "result.json"
        if not path.exists():
            return
        try:
            report = json.loads(path.read_text(encoding="utf-8"))
            before = {name: report[name] for name in settings}
            rows = {(row["system"], _task(row)): row for row in report["recall"]}
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise InputError(
                f"{path}: no results of this program; give another --output"
            ) from error
        if before != settings:
            raise InputError(
                f"{path}: found with {_listed(before)}; give these, or another --output"
            )
        self.rows = rows

    def num_done(self, system: str, task: Recall) -> int:
        """Count the seeds that have been trained."""
        row = self.rows.get((system, task))
        return len(row["steps"]) if row else 0

    def add(self, system: str, task: Recall, trained: Trained) -> None:
        """Write what became of the next seed's training."""
        empty = dict(accuracy_by_seed=[], steps=[], cpu_seconds=[])
        row = self.rows.get(
            (system, task), {**empty, "system": system, **task._asdict()}
        )
        by_seed = [*row["accuracy_by_seed"], trained.accuracy]
        self.rows[system, task] = {
            "system": system,
            **task._asdict(),
            "accuracy": mean(by_seed),
            "accuracy_by_seed": by_seed,
            "steps": [*row["steps"], trained.steps],
            "cpu_seconds": [*row["cpu_seconds"], trained.cpu_seconds],
            "parameters": trained.parameters,
        }
        found = dict(**self.settings, recall=list(self.rows.values()))
        write_study(self.folder, SUBJECT, "cpu", "memory", "recall", **found)


def _task(row: Mapping[str, Any]) -> Recall:
    # fields that were added later have their defaults
    found = {name: row[name] for name in Recall._fields if name in row}
    return Recall(**found | {"objective": Objective(row.get("objective", "frames"))})


def _listed(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items())


def measure(
    study: Study, systems: Sequence[str], tasks: Sequence[Recall], seeds: int
) -> None:
    """Train every system on every task, with the seeds that are missing."""
    jobs = [
        (task, system, seed)
        for task, system in itertools.product(tasks, systems)
        for seed in range(study.num_done(system, task) + 1, seeds + 1)
    ]
    settings = dict(study.settings)
    d_model = settings.pop("d_model")
    for task, system, seed in track(jobs, "recall", console=Console(stderr=True)):
        torch.manual_seed(seed)
        model = Recaller(task, SYSTEMS[system], d_model)
        study.add(system, task, train(model, task, seed=seed, **settings))


def show(rows: Sequence[dict[str, Any]]) -> None:
    """Print what was found as a table; of the tasks, what differs."""
    tasks = [_task(row)._asdict() for row in rows]
    differing = [name for name in Recall._fields if len({t[name] for t in tasks}) > 1]
    table = Table("system", *differing, "accuracy %", "by seed", "steps", "CPU s")
    for row, task in zip(rows, tasks, strict=True):
        table.add_row(
            row["system"],
            *(str(task[name]) for name in differing),
            f"{100 * row['accuracy']:.1f}",
            " ".join(f"{100 * each:.1f}" for each in row["accuracy_by_seed"]),
            " ".join(map(str, row["steps"])),
            f"{mean(row['cpu_seconds']):.0f}",
        )
    Console().print(table)


def choose_systems(names: str) -> list[str]:
    """Read names, with ``;`` between them; all if there are none."""
    chosen = [name.strip() for name in names.split(";") if name.strip()] or list(
        SYSTEMS
    )
    for name in chosen:
        if name not in SYSTEMS:
            raise InputError(f"--systems: {name!r} is none of {'; '.join(SYSTEMS)}")
    return list(dict.fromkeys(chosen))


def read_numbers(option: str, text: str) -> list[int]:
    """Read whole numbers, with commas between them."""
    try:
        return [*dict.fromkeys(int(number) for number in text.split(","))]
    except ValueError:
        raise InputError(f"{option} {text}: give whole numbers, such as 4,8") from None


def read_objectives(text: str) -> list[Objective]:
    """Read names of objectives, with commas between them."""
    try:
        return [*dict.fromkeys(Objective(name.strip()) for name in text.split(","))]
    except ValueError:
        known = ", ".join(each.value for each in Objective)
        raise InputError(f"--objectives {text}: give some of {known}") from None


def main(
    systems: Annotated[
        str, typer.Option(help="Names separated by ;, by default all.")
    ] = "",
    pairs: Annotated[str, typer.Option(help="Numbers of pairs to recall.")] = "8",
    gaps: Annotated[str, typer.Option(help="Fewest tokens of the gap.")] = "28",
    lengths: Annotated[str, typer.Option(help="Tokens of a sequence.")] = "128",
    values: Annotated[int, typer.Option(help="Values, and as many keys.")] = 16,
    frames: Annotated[str, typer.Option(help="Frames of a token.")] = "1",
    objectives: Annotated[
        str, typer.Option(help="Of frames, aligned, ctc, aligned-ctc: what is trained.")
    ] = "frames",
    d_model: Annotated[int, typer.Option(help="Model dimension.")] = 64,
    seeds: int = 3,
    steps: Annotated[int, typer.Option(help="Most training steps.")] = 800,
    batch_size: int = 32,
    learning_rate: float = 2e-3,
    threads: Annotated[int, typer.Option(help="CPU threads.")] = 1,
    output: Path = Path("runs/recall/rules"),
) -> None:
    """Train every system on every task, except those that the output already has."""
    torch.set_num_threads(threads)
    chosen = choose_systems(systems)
    grid = itertools.product(
        read_numbers("--pairs", pairs),
        read_numbers("--gaps", gaps),
        read_numbers("--lengths", lengths),
        [values],
        read_numbers("--frames", frames),
        read_objectives(objectives),
    )
    tasks = [Recall(*each) for each in grid]
    for task in tasks:
        task.draw(1, torch.Generator())
    study = Study(
        output,
        max_steps=steps,
        batch_size=batch_size,
        learning_rate=learning_rate,
        d_model=d_model,
    )
    measure(study, chosen, tasks, seeds)
    show(list(study.rows.values()))


if __name__ == "__main__":
    run_program(main)
