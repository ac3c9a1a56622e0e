"""Find the checkpoints of a training run, choose the best, average them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from torch import Tensor

from lact_modules.errors import InputError


@dataclass(frozen=True)
class Checkpoint:
    """One checkpoint, as SpeechBrain's Checkpointer writes it.

    Arguments
    ---------
    folder : Path
        ``RUN/save/CKPT+<name>``.
    meta : dict[str, Any]
        Contents of its ``CKPT.yaml``: ``unixtime`` and what training recorded
        (``WER``, ``loss``, ...).

    Example
    -------
    >>> Checkpoint(Path("CKPT+1"), {"unixtime": 1.0, "WER": 3.4}).meta["WER"]
    3.4
    """

    folder: Path
    meta: dict[str, Any]


def find_checkpoints(run_folder: str | Path) -> list[Checkpoint]:
    """List the complete checkpoints of a run, the newest first.

    Arguments
    ---------
    run_folder : str | Path
        Output folder of a training run.

    Returns
    -------
    list[Checkpoint]
        At least one.

    Raises
    ------
    InputError
        If there is none, or the description of one cannot be read.
    """
    save_folder = Path(run_folder) / "save"
    checkpoints = [
        Checkpoint(meta_file.parent, _read_meta(meta_file))
        for meta_file in save_folder.glob("CKPT*/CKPT.yaml")
    ]
    checkpoints = [c for c in checkpoints if _is_complete(c)]
    if not checkpoints:
        raise InputError(f"{save_folder}: no checkpoint; train first, or wait for one")
    return sorted(checkpoints, key=lambda c: c.meta["unixtime"], reverse=True)


def best_checkpoints(
    run_folder: str | Path, num: int = 1, metric: str = "WER"
) -> list[Checkpoint]:
    """Choose the checkpoints with the lowest metric, ties by recency.

    Where no checkpoint knows the metric, the newest are taken. Fewer than ``num``
    are returned where there are fewer.

    Arguments
    ---------
    run_folder : str | Path
        Output folder of a training run.
    num : int
        How many, at least 1.
    metric : str
        Key of the checkpoints' metadata.

    Returns
    -------
    list[Checkpoint]
        The best first.

    Raises
    ------
    InputError
        As :func:`find_checkpoints`, or if ``num < 1``.
    """
    if num < 1:
        raise InputError(f"number of checkpoints {num}: must be at least 1")
    newest_first = find_checkpoints(run_folder)
    scored = [c for c in newest_first if _is_score(c.meta.get(metric))]
    ranked = sorted(scored, key=lambda c: c.meta[metric]) or newest_first
    return ranked[:num]


def average_checkpoints(
    checkpoints: Sequence[Checkpoint], recoverable: str = "model"
) -> dict[str, Tensor]:
    """Average the weights of checkpoints.

    Floating-point tensors are averaged, all others are the newest checkpoint's.
    Two states at a time are in memory; no pickled code is run.

    Arguments
    ---------
    checkpoints : Sequence[Checkpoint]
        At least one.
    recoverable : str
        Name under which training saved the module: file ``<recoverable>.ckpt``.

    Returns
    -------
    dict[str, Tensor]
        State dictionary on the CPU.

    Raises
    ------
    InputError
        If a file is missing, is not a state dictionary, or differs from the others
        in its tensors.
    """
    file_name = f"{recoverable}.ckpt"
    newest = max(checkpoints, key=lambda c: c.meta["unixtime"])
    average = load_state(checkpoints[0].folder / file_name)
    for checkpoint in checkpoints[1:]:
        state = load_state(checkpoint.folder / file_name)
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
    """Read weights that `torch.save` wrote; no pickled code is run.

    Arguments
    ---------
    path : str | Path
        A state dictionary's file.

    Returns
    -------
    dict[str, Tensor]
        On the CPU.

    Raises
    ------
    InputError
        If the file is missing or is not a state dictionary.
    """
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
        raise InputError(f"{path}: holds other things than tensors")
    return state


def _is_score(value: Any) -> bool:
    return isinstance(value, float | int) and math.isfinite(value)


def _read_meta(path: Path) -> dict[str, Any]:
    try:
        meta = YAML(typ="safe").load(path)
    except (YAMLError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: cannot be read as YAML; delete the checkpoint"
        ) from error
    if not isinstance(meta, dict) or not isinstance(meta.get("unixtime"), float | int):
        raise InputError(f"{path}: says no unixtime; delete the checkpoint")
    return meta


def _is_complete(checkpoint: Checkpoint) -> bool:
    # Training lists what it saved; a file is missing if it was killed while deleting.
    names = checkpoint.meta.get("recoverables", [])
    return all((checkpoint.folder / f"{name}.ckpt").is_file() for name in names)


def _shapes(state: dict[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in state.items()}
