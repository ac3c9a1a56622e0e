"""Associative recall over a gap, by mixers that can no longer see what is asked.

python benchmarks/recall.py --output runs/recall/rules
python benchmarks/recall.py --arms "window;Muon, down" --pairs 4,8,16 --lengths 64,128

A sequence begins with pairs of a key and its value, scattered among blanks; blanks
follow, and then the keys again in another order, each to be answered by its value
(after arXiv 2312.04927). The gap is longer than what attention reaches through all
blocks, so nothing but a memory can answer. Two blocks are trained from scratch on fresh
sequences: half a minute on one core, less where they soon have learned it.
"""

import itertools
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean
from typing import Annotated, Any, NamedTuple

import torch
import typer
from program import run_program
from recall_task import ARMS, NO_ANSWER, Recall, Recaller
from rich.console import Console
from rich.progress import track
from rich.table import Table
from study import write_study
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from lact_modules.errors import InputError

WARMUP_STEPS, SOLVED, RECENT = 50, 0.99, 20
NUM_TESTED = 512


class Trained(NamedTuple):
    """What became of a training: accuracy on unseen sequences, and what it took."""

    accuracy: float
    steps: int
    cpu_seconds: float
    parameters: int


def train(
    model: nn.Module,
    task: Recall,
    steps: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
) -> Trained:
    """Train on fresh sequences until they are solved, or for so many steps."""
    drawn = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), learning_rate, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / WARMUP_STEPS, 1 - step / steps)
    )
    started = time.process_time()
    recent: list[float] = []
    for _ in range(steps):
        logits, answers = _answer(model, *task.draw(batch_size, drawn))
        cross_entropy(logits, answers).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        recent.append(_accuracy(logits, answers))
        if len(recent) >= RECENT and min(recent[-RECENT:]) >= SOLVED:
            break
    seconds = time.process_time() - started
    model.eval()
    with torch.inference_mode():
        unseen = task.draw(NUM_TESTED, torch.Generator().manual_seed(seed + 10**6))
        accuracy = _accuracy(*_answer(model, *unseen))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return Trained(accuracy, len(recent), seconds, parameters)


def _answer(model: nn.Module, tokens: Tensor, answers: Tensor) -> tuple[Tensor, Tensor]:
    """Give logits (N, values) and answers (N,) where something is asked."""
    is_asked = answers != NO_ANSWER
    return model(tokens)[is_asked], answers[is_asked]


def _accuracy(logits: Tensor, answers: Tensor) -> float:
    return (logits.argmax(dim=-1) == answers).float().mean().item()


def measure(
    arms: Sequence[str],
    tasks: Sequence[Recall],
    seeds: int,
    steps: int,
    batch_size: int,
    learning_rate: float,
    d_model: int,
) -> Iterator[dict[str, Any]]:
    """Train every arm on every task; give what is known of a pair after each seed."""
    jobs = list(itertools.product(tasks, arms, range(1, seeds + 1)))
    trained: list[Trained] = []
    for task, arm, seed in track(jobs, "recall", console=Console(stderr=True)):
        torch.manual_seed(seed)
        model = Recaller(task, ARMS[arm], d_model)
        if seed == 1:
            trained = []
        trained.append(train(model, task, steps, batch_size, learning_rate, seed))
        yield {
            "arm": arm,
            **task._asdict(),
            "accuracy": mean(each.accuracy for each in trained),
            "accuracy_by_seed": [each.accuracy for each in trained],
            "steps": [each.steps for each in trained],
            "cpu_seconds": [each.cpu_seconds for each in trained],
            "parameters": trained[0].parameters,
        }


def show(rows: Sequence[dict[str, Any]]) -> None:
    """Print what was found as a table."""
    names = ("arm", "pairs", "gap", "length", "accuracy %", "by seed", "steps", "CPU s")
    table = Table(*names)
    for row in rows:
        table.add_row(
            row["arm"],
            *(str(row[name]) for name in names[1:4]),
            f"{100 * row['accuracy']:.1f}",
            " ".join(f"{100 * each:.1f}" for each in row["accuracy_by_seed"]),
            " ".join(map(str, row["steps"])),
            f"{mean(row['cpu_seconds']):.0f}",
        )
    Console().print(table)


def choose_arms(names: str) -> list[str]:
    """Read names, with ``;`` between them; all if there are none."""
    chosen = [name.strip() for name in names.split(";") if name.strip()] or list(ARMS)
    for name in chosen:
        if name not in ARMS:
            raise InputError(f"--arms: {name!r} is none of {'; '.join(ARMS)}")
    return chosen


def read_numbers(option: str, text: str) -> list[int]:
    """Read whole numbers, with commas between them."""
    try:
        return [int(number) for number in text.split(",")]
    except ValueError:
        raise InputError(f"{option} {text}: give whole numbers, such as 4,8") from None


def main(
    arms: Annotated[str, typer.Option(help="Names with ; between; all.")] = "",
    pairs: Annotated[str, typer.Option(help="Numbers to remember.")] = "8",
    gaps: Annotated[str, typer.Option(help="Tokens, at the least.")] = "28",
    lengths: Annotated[str, typer.Option(help="Tokens in all.")] = "128",
    values: Annotated[int, typer.Option(help="There are as many keys.")] = 16,
    d_model: Annotated[int, typer.Option(help="Model dimension.")] = 64,
    seeds: int = 3,
    steps: Annotated[int, typer.Option(help="At the most.")] = 800,
    batch_size: int = 32,
    learning_rate: float = 2e-3,
    threads: Annotated[int, typer.Option(help="Of the CPU.")] = 1,
    output: Path = Path("runs/recall/rules"),
) -> None:
    """Train every arm on every task, and write what has been found after each."""
    torch.set_num_threads(threads)
    chosen = choose_arms(arms)
    numbers = {"--pairs": pairs, "--gaps": gaps, "--lengths": lengths}
    grid = itertools.product(*(read_numbers(*each) for each in numbers.items()))
    tasks = [Recall(*each, values) for each in grid]
    for task in tasks:
        task.draw(1, torch.Generator())
    settings = dict(batch_size=batch_size, learning_rate=learning_rate, d_model=d_model)
    subject = dict(dataset="recall", recipe="synthetic", model="two_blocks")
    rows: dict[tuple, dict[str, Any]] = {}
    for row in measure(chosen, tasks, seeds, steps, **settings):
        rows[row["arm"], row["pairs"], row["gap"], row["length"]] = row
        found = dict(max_steps=steps, **settings, recall=list(rows.values()))
        write_study(output, subject, "cpu", "memory", "recall", **found)
    show(list(rows.values()))


if __name__ == "__main__":
    run_program(main)
