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
    """Write the measurements, and everything needed to repeat them.

    Commit, versions, hardware and date (UTC) are added; absolute paths in the command
    shrink to their last part, so the record can be published. Metrics are by split and
    decoding, ``{"test": {"greedy": {"wer": ..., "wer_interval": [..., ...]}}}``, rates
    in percent; ``training_wall_s`` covers all resumed parts.
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
    """Join a command line for others to repeat, without this machine's folders."""
    return shlex.join(["python", *map(without_folders, arguments)])
