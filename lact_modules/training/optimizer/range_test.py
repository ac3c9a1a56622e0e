"""Find a learning rate: a short training on a recipe's data, at rates that rise."""

import itertools
import logging
import math
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import speechbrain as sb
import torch
from speechbrain.utils.distributed import ddp_all_reduce, if_main_process, run_on_main
from torch.distributed import ReduceOp
from tqdm import tqdm

from lact_modules.training.from_keys import finetuning_of
from lact_modules.training.optimizer.rate_curve import (
    RateCurve,
    check_curve,
    draw_curve,
    rising_rates,
    write_curve,
)
from lact_modules.training.parallel.main_process import num_processes

if TYPE_CHECKING:
    from lact_modules.training.loop import RecipeBrain

FOUND = ("find_lr.json", "find_lr.svg")
"""Files that a test leaves."""

# times the lowest loss so far, where fastai and Lightning stop too
_BLOWN_UP = 4
# weight of the old value in the EMA of losses
_INERTIA = 0.9
_OPTIONS = ("find_lr", "find_lr_steps", "find_lr_range")

logger = logging.getLogger(__name__)


class RateFound(Exception):
    """A learning rate was to be found, and is: there is nothing left to do."""


def find_learning_rate(brain: "RecipeBrain", loader: Any) -> NoReturn:
    """Train at rising rates, write the losses, and recommend a rate.

    All parameter groups rise together. What else changes in the course of a training
    does so within the search; of its stages there is the first.
    """
    brain.on_fit_start()
    base = brain.optimizer.defaults["lr"]
    low, high = brain.hparams.find_lr_range
    rates = rising_rates(low, high, brain.hparams.find_lr_steps)
    brain.total_steps = len(rates)
    brain.hparams.schedule = lambda step, _: rates[brain.optimizer_step] / base
    losses: list[float] = []
    bar = tqdm(
        _watched(_losses(brain, loader)),
        total=len(rates),
        disable=brain.noprogressbar or not if_main_process(),
        desc="learning rate",
    )
    # of the bar, which has to be closed, the end comes before that of the losses
    with bar:
        for rate, loss in zip(rates, bar, strict=False):
            losses.append(loss)
            bar.set_postfix(rate=f"{rate:.1e}", loss=f"{loss:.2f}")
    known = [
        pair for pair in zip(rates, losses, strict=False) if math.isfinite(pair[1])
    ]
    curve = RateCurve(*zip(*known, strict=True)) if known else RateCurve([], [])
    check_curve(curve)
    folder = Path(brain.hparams.output_folder)
    run_on_main(write_curve, args=[curve, folder / FOUND[0]])
    run_on_main(draw_curve, args=[curve, folder / FOUND[1]])
    if if_main_process():
        logger.info(_summary(curve, brain))
    raise RateFound


def _losses(brain: "RecipeBrain", loader: Any) -> Iterator[float]:
    """Train without end, and yield each optimizer step's loss; NaN if it failed."""
    guard = brain.optimization.guard
    guard.patience, patience = sys.maxsize, guard.patience
    for epoch in _epochs(brain):
        # its limit is of the training
        brain.hparams.epoch_counter.current += 1
        brain.on_stage_start(sb.Stage.TRAIN, epoch)
        brain.modules.train()
        gathered = []
        for batch in loader:
            gathered.append(brain.fit_batch(batch))
            if guard.in_a_row > patience:
                return
            if brain.num_gathered == 0:
                # what could not be read is NaN
                loss = torch.stack(gathered).nanmean().to(brain.device)
                yield _average(loss, brain.distributed_launch)
                gathered = []


def _epochs(brain: "RecipeBrain") -> Iterator[int]:
    """Repeat the epochs before rates, data or frozen parts change, without end."""
    ends = [brain.unfreezing.stages[0].last] if brain.unfreezing else []
    if last := finetuning_of(brain.hparams):
        ends.append(last.first_epoch - 1)
    return itertools.cycle(range(1, min(ends) + 1)) if ends else itertools.count(1)


def _average(loss: torch.Tensor, is_distributed: bool) -> float:
    total = float(ddp_all_reduce(loss, ReduceOp.SUM))
    return total / (torch.distributed.get_world_size() if is_distributed else 1)


def _watched(losses: Iterator[float]) -> Iterator[float]:
    """Pass losses on until they blow up."""
    average, weight, lowest = 0.0, 0.0, math.inf
    for loss in losses:
        yield loss
        if math.isfinite(loss):
            average = _INERTIA * average + (1 - _INERTIA) * loss
            weight = _INERTIA * weight + 1 - _INERTIA
            lowest = min(lowest, average / weight)
            if average / weight > _BLOWN_UP * lowest:
                return


def _summary(curve: RateCurve, brain: "RecipeBrain") -> str:
    """Describe the result, and the command that trains with it."""
    seen = (
        f"{len(curve.rates)} steps from {curve.rates[0]:.1e} to {curve.rates[-1]:.1e}"
    )
    rate = curve.suggestion
    if rate is None or curve.steepest is None:
        return f"{seen}: the loss never falls; take other bounds, find_lr_range"
    lines = [
        f"{seen}: the loss falls fastest at {curve.steepest:.1e} and is lowest at "
        f"{curve.lowest:.1e}",
        f"suggested peak learning rate: {rate:g} (arXiv 1506.01186)",
    ]
    if curve.still_falls:
        lines.append("it still falls at the end; take higher bounds, find_lr_range")
    base = brain.optimizer.defaults["lr"]
    rules = brain.hparams.parameter_groups or ()
    if brain.hparams.unfreezing_stages or any("lr" in rule for rule in rules):
        factor = f"{rate / base:.2g}"
        lines.append(f"multiply the rates of stages and parameter_groups by {factor}")
    if brain.hparams.unfreezing_stages is None:
        has_key = getattr(brain.hparams, "learning_rate", None) == base
        # words before the script are those of torchrun, and not known here
        launcher = "python" if num_processes() == 1 else "torchrun ..."
        command = f"train with: {launcher} {use_rate(sys.argv, rate)}"
        lines.append(command if has_key else "give it to opt_class as its lr")
    return "\n".join(lines)


def use_rate(words: Sequence[str], rate: float) -> str:
    """Return the command that trains at a rate, for one that has looked for it.

    >>> words = ["train.py", "--find_lr", "a.yaml", "--find_lr_steps", "99", "--seed=2"]
    >>> use_rate(words, 0.001)
    'train.py a.yaml --seed=2 --learning_rate 0.001'
    >>> use_rate(["train.py", "finds_lr.yaml"], 0.001)
    'train.py finds_lr.yaml --find_lr false --learning_rate 0.001'
    """
    left, kept = list(words), []
    has_option = False
    while left:
        word = left.pop(0)
        name, is_joined, _ = word.removeprefix("--").partition("=")
        if not word.startswith("--") or name not in (*_OPTIONS, "learning_rate"):
            kept.append(word)
            continue
        has_option |= name == "find_lr"
        if (
            not is_joined
            and left
            and (name != "find_lr" or left[0].lower() in ("true", "false"))
        ):
            left.pop(0)
    # what the YAML file itself asks for
    trains = [] if has_option else ["--find_lr", "false"]
    return shlex.join([*kept, *trains, "--learning_rate", f"{rate:g}"])
