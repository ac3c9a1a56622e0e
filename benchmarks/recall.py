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
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Annotated, Any, NamedTuple

import torch
import typer
from program import run_program
from rich.console import Console
from rich.progress import track
from rich.table import Table
from study import write_study
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from lact_modules.encoders import Encoder
from lact_modules.errors import InputError
from lact_modules.layers import (
    AttentionMixer,
    BiMambaMixer,
    FeedForward,
    LaCTMixer,
    SummaryMixer,
)
from lact_modules.ops import UpdateRule

Factory = Callable[..., nn.Module]

NO_ANSWER = -100
WARMUP_STEPS, SOLVED, RECENT = 50, 0.99, 20
NUM_TESTED = 512


class Recall(NamedTuple):
    """A task: `pairs` to remember over at least `gap` of `length` tokens.

    There are as many keys as values, and a blank.
    """

    pairs: int = 8
    gap: int = 28
    length: int = 128
    num_values: int = 16

    @property
    def num_tokens(self) -> int:
        """Keys, values and the blank, which comes last."""
        return 2 * self.num_values + 1

    def draw(
        self, batch_size: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Draw sequences.

        Arguments
        ---------
        batch_size : int
            B, how many.
        generator : torch.Generator
            Draws them.

        Returns
        -------
        tokens : Tensor
            (B, T) int64.
        answers : Tensor
            (B, T) int64, the value that is asked for, or `NO_ANSWER`.

        Raises
        ------
        InputError
            If there are fewer keys or places than pairs.
        """
        part = (self.length - self.gap) // 2
        if self.pairs > min(self.num_values, part // 2):
            raise InputError(
                f"{self.pairs} pairs: there are {self.num_values} keys, and before a "
                f"gap of {self.gap} in {self.length} tokens, places for {part // 2}"
            )

        def some(number: int) -> Tensor:
            order = torch.rand(batch_size, number, generator=generator).argsort()
            return order[:, : self.pairs]

        keys = some(self.num_values)
        values = torch.randint(self.num_values, keys.shape, generator=generator)
        places, asked = 2 * some(part // 2), self.length - part + some(part)
        tokens = torch.full((batch_size, self.length), self.num_tokens - 1)
        tokens.scatter_(1, places, keys)
        tokens.scatter_(1, places + 1, self.num_values + values)
        tokens.scatter_(1, asked, keys)
        answers = torch.full_like(tokens, NO_ANSWER).scatter_(1, asked, values)
        return tokens, answers


class Recaller(nn.Module):
    """An embedding, transformer blocks with a mixer, and scores of the values.

    Arguments
    ---------
    task : Recall
        Whose tokens and values there are.
    mixer : Factory
        Makes a mixer, given the model dimension.
    d_model : int
        Model dimension.
    num_blocks : int
        Blocks.
    """

    def __init__(
        self, task: Recall, mixer: Factory, d_model: int = 64, num_blocks: int = 2
    ):
        super().__init__()
        self.embedding = nn.Embedding(task.num_tokens, d_model)
        self.encoder = Encoder(
            d_model,
            num_blocks,
            mixer=partial(mixer, d_model),
            ffn_out=partial(FeedForward, d_model, 2 * d_model),
        )
        self.project = nn.Linear(d_model, task.num_values)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (B, T) tokens to (B, T, values) logits."""
        lengths = torch.full((len(tokens),), tokens.shape[1])
        hidden, _ = self.encoder(self.embedding(tokens), lengths)
        return self.project(hidden)


def lact(
    window: int = 4, rotate_fast: bool = False, base_lr: float = 0.01, **rule: Any
) -> Factory:
    """Give a factory of attention to a window with fast weights beside it."""
    return partial(
        LaCTMixer,
        num_heads=2,
        num_lact_heads=2,
        window=(window, window),
        rule=UpdateRule(**rule),
        base_lr=base_lr,
        rotate_fast=rotate_fast,
    )


def attention(window: int | None = None) -> Factory:
    """Give a factory of attention to a window, or to all."""
    return partial(AttentionMixer, num_heads=2, window=(window, window))


_PLAIN: dict[str, Any] = dict(
    optimizer="gradient_descent", normalization="none", base_lr=1.0
)
# a mean over all frames: at rate 1 it is small against initial weights of unit variance
_CLIPPED: dict[str, Any] = dict(
    optimizer="clipped_descent", normalization="none", base_lr=16.0
)
ARMS: dict[str, Factory] = {
    "window": attention(4),
    "full attention": attention(),
    "ConMamba": BiMambaMixer,
    "SummaryMixing": SummaryMixer,
    "LaCT that never learns": lact(gain=0.0),
    "Muon, down": lact(update="down"),
    "Muon, down, rotated": lact(update="down", rotate_fast=True),
    "Muon, down, summed": lact(update="down", accumulate="directions"),
    "Muon, all": lact(),
    "Muon, all, rotated": lact(rotate_fast=True),
    "gradient, down": lact(**_PLAIN, update="down"),
    "gradient, all": lact(**_PLAIN),
    "gradient, all, rotated": lact(**_PLAIN, rotate_fast=True),
    "gradient, all, row norms kept": lact(optimizer="gradient_descent"),
    "clipped, down": lact(**_CLIPPED, update="down"),
    "clipped, all": lact(**_CLIPPED),
    "clipped, all, rate 1": lact(**{**_CLIPPED, "base_lr": 1.0}),
    "clipped, all, rotated": lact(**_CLIPPED, rotate_fast=True),
}
"""Mixers by what they are called; LaCT by its update rule, and what of it moves."""


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
