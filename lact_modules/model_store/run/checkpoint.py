"""Find the checkpoints of a training run, choose the best, average them."""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lact_modules.errors import InputError
from lact_modules.model_store.run.integrity import (
    META_FILE,
    is_complete,
    read_meta,
    verify,
)

SAVE_FOLDER = "save"
"""Of a training run, holds its checkpoints."""

WEIGHTS_FILE = "model.ckpt"
"""Of each checkpoint: the model's whole state dictionary."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint:
    """One checkpoint, as SpeechBrain's Checkpointer writes it.

    ``meta`` is its ``CKPT.yaml``: ``unixtime`` and what training recorded (``WER``,
    ...).
    """

    folder: Path
    meta: dict[str, Any]


def best_checkpoints(
    run_folder: str | Path, num: int = 1, metric: str = "WER"
) -> list[Checkpoint]:
    """Choose a run's best checkpoints, the best first, see `best_in`."""
    return best_in(Path(run_folder) / SAVE_FOLDER, num, metric)


def best_in(folder: Path, num: int = 1, metric: str = "WER") -> list[Checkpoint]:
    """Choose the checkpoints with the lowest metric, the best first, ties by recency.

    Where no checkpoint knows the metric, the newest are taken. Damaged ones are skipped
    with a warning. Fewer than ``num`` are returned where there are fewer, one at least.
    """
    if num < 1:
        raise InputError(f"number of checkpoints {num}: must be at least 1")
    found, faults = _find(folder)
    whole: list[Checkpoint] = []
    for checkpoint in _rank(found, metric):
        if len(whole) == num:
            break
        try:
            verify(checkpoint.folder, [WEIGHTS_FILE])
        except InputError as error:
            faults.append(error)
        else:
            whole.append(checkpoint)
    if not whole:
        raise (
            faults[0]
            if faults
            else InputError(f"{folder}: no checkpoint of a whole epoch; train first")
        )
    for fault in faults:
        logger.warning("%s; skipped", fault)
    return whole


def newest_in(folder: Path) -> Checkpoint | None:
    """Return the newest checkpoint without a missing file; None if there is none."""
    found, _ = _find(folder)
    return max(found, key=lambda each: each.meta["unixtime"], default=None)


def _find(folder: Path) -> tuple[list[Checkpoint], list[InputError]]:
    """List checkpoints that no file is missing of, and the faults of others."""
    found, faults = [], []
    for path in folder.glob(f"CKPT*/{META_FILE}"):
        try:
            checkpoint = Checkpoint(path.parent, read_meta(path.parent))
        except InputError as error:
            faults.append(error)
        else:
            if is_complete(checkpoint.folder, checkpoint.meta):
                found.append(checkpoint)
    return found, faults


def _rank(found: Sequence[Checkpoint], metric: str) -> list[Checkpoint]:
    newest_first = sorted(found, key=lambda c: c.meta["unixtime"], reverse=True)
    scored = [c for c in newest_first if is_score(c.meta.get(metric))]
    return sorted(scored, key=lambda c: c.meta[metric]) or newest_first


def is_score(value: Any) -> bool:
    """Return whether a checkpoint's note can be ranked: a finite number."""
    return isinstance(value, float | int) and math.isfinite(value)


def average_checkpoints(checkpoints: Sequence[Checkpoint]) -> dict[str, Tensor]:
    """Average the weights of checkpoints.

    Floating-point tensors are averaged, all others are the newest checkpoint's.
    Two states at a time are in memory; no pickled code is run.
    """
    newest = max(checkpoints, key=lambda c: c.meta["unixtime"])
    average = load_state(checkpoints[0].folder / WEIGHTS_FILE)
    for checkpoint in checkpoints[1:]:
        state = load_state(checkpoint.folder / WEIGHTS_FILE)
        if _shapes(state) != _shapes(average):
            raise InputError(
                f"{checkpoint.folder}: other tensors than {checkpoints[0].folder}; "
                "average checkpoints of one model"
            )
        for name, tensor in state.items():
            if tensor.is_floating_point():
                # Not in place: tied tensors share their memory.
                average[name] = average[name] + tensor
            elif checkpoint is newest:
                average[name] = tensor
    return {
        name: tensor / len(checkpoints) if tensor.is_floating_point() else tensor
        for name, tensor in average.items()
    }


def load_state(path: str | Path) -> dict[str, Tensor]:
    """Read weights that `torch.save` wrote, on the CPU; no pickled code is run."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; is the checkpoint whole?")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    # Reading a damaged pickle can raise anything.
    except Exception as error:
        reason = type(error).__name__
        raise InputError(f"{path}: not weights, or damaged ({reason})") from error
    if not isinstance(state, dict) or not all(
        isinstance(value, Tensor) for value in state.values()
    ):
        raise InputError(f"{path}: holds more than tensors")
    return state


def _shapes(state: dict[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in state.items()}
