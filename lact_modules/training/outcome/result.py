"""The record of a run: ``result.json``, written by the program that measured it."""

import json
import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch

from lact_modules.model_store.publishable import without_folders
from lact_modules.training.outcome.environment import (
    describe_hardware,
    package_versions,
    source_commit,
)
from lact_modules.training.tracking.trackers import plain_settings
from lact_modules.whole_file import write_whole


def write_result(
    path: str | Path,
    metrics: Mapping[str, Mapping[str, Mapping[str, Any]]],
    *,
    recipe: str,
    model: str,
    dataset: str | None,
    parameters: int,
    seed: int,
    command: Sequence[str],
    options: Mapping[str, Any] | None = None,
    changed_options: Sequence[Mapping[str, Any]] = (),
    device: str | torch.device = "cpu",
    training_wall_s: float | None = None,
) -> None:
    """Write what was measured beside everything needed to measure it again.

    Commit, versions, hardware and date (UTC) are added; absolute paths in the command
    shrink to their last part, so the record can be published.

    Arguments
    ---------
    path : str | Path
        JSON file; its folder is made.
    metrics : Mapping[str, Mapping[str, Mapping[str, Any]]]
        Numbers by split and by decoding: ``{"test": {"greedy": {"wer": ...,
        "wer_interval": [..., ...], "rtf": ...}}}``. Decodings are ``greedy``,
        ``beam``, ``beam+lm``, ``beam+tlm``, ``rescored``; rates in percent.
    recipe : str
        Recipe folder below ``recipes/``: ``LibriSpeech/ASR/CTC``.
    model : str
        Name of the hyperparameter file without its ending.
    dataset : str | None
        What it was trained on; None if nobody gave it a name.
    parameters : int
        Trainable parameters.
    seed : int
        Seed of the run.
    command : Sequence[str]
        Program and arguments, as in ``sys.argv``.
    options : Mapping[str, Any] | None
        Hyperparameters and run options with the values that held; objects and this
        machine's folders are skipped.
    changed_options : Sequence[Mapping[str, Any]]
        What earlier steps were trained with, see `OptionHistory.changed_options`.
    device : str | torch.device
        Where the model ran.
    training_wall_s : float | None
        Seconds that training took, over all resumed parts; None if not trained here.

    Example
    -------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "result.json"
    >>> write_result(
    ...     path,
    ...     {"test": {"greedy": {"wer": 2.5}}},
    ...     recipe="LibriSpeech/ASR/CTC",
    ...     model="lact_demo",
    ...     dataset="digits",
    ...     parameters=1_500_000,
    ...     seed=1,
    ...     command=["train.py", "hparams/lact_demo.yaml", "--data_folder=/me/digits"],
    ... )
    >>> json.loads(path.read_text())["command"]
    'python train.py hparams/lact_demo.yaml --data_folder=digits'
    """
    result = {
        "recipe": recipe,
        "model": model,
        "dataset": dataset,
        "parameters": parameters,
        "metrics": metrics,
        "training_wall_s": training_wall_s,
        "seed": seed,
        "command": publishable_command(command),
        "options": plain_settings(options or {}),
        "changed_options": json.loads(without_folders(json.dumps([*changed_options]))),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": source_commit(),
        "versions": package_versions(),
        "hardware": describe_hardware(device),
    }
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(result, indent=2) + "\n")


def publishable_command(arguments: Sequence[str]) -> str:
    """Join a command line for others to repeat, without this machine's folders.

    Arguments
    ---------
    arguments : Sequence[str]
        Script and its arguments.

    Returns
    -------
    str
        One shell line.

    Example
    -------
    >>> publishable_command(["/home/me/train.py", "--test_splits", "[a, b]"])
    "python train.py --test_splits '[a, b]'"
    """
    return shlex.join(["python", *map(without_folders, arguments)])
