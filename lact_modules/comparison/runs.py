"""Read the folders of finished runs, and group the seeds of one model."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lact_modules.comparison.settings import Settings, differing, read_settings, section
from lact_modules.errors import InputError
from lact_modules.former_keys import present_key
from lact_modules.training.outcome.plots import Curves, read_log

DECODING = ("decoding",)
"""Sections of the hyperparameters that training does not depend on."""

NAME = "system"
"""Hyperparameter that names a run's system."""

UNTIL = "until step "
"""Before the key of a setting whose value held for a part of the training."""

Pairs = dict[str, tuple[str, str]]
"""Reference and hypothesis by utterance id."""


@dataclass(frozen=True)
class Run:
    """A finished run.

    Settings are without seed and folders; one that held for a part of the training has
    a key like ``until step 40: learning_rate``. Curves are by split and optimizer step.
    """

    folder: Path
    result: dict[str, Any]
    settings: Settings
    curves: Curves

    @classmethod
    def from_folder(cls, folder: str | Path) -> "Run":
        """Read the folder of a training that has ended, but for its transcripts."""
        folder = Path(folder)
        result = _read_result(folder / "result.json")
        settings = read_settings(folder / "hyperparams.yaml")
        log = read_log(folder / "metrics.jsonl")
        return cls(folder, result, settings | _settings_before(result), log)

    @property
    def seed(self) -> int:
        """Seed of the training."""
        return self.result["seed"]

    @property
    def decodings(self) -> dict[str, list[str]]:
        """Names of the decodings by split; the first one wrote files without a name."""
        return {split: list(one) for split, one in self.result["metrics"].items()}

    @property
    def trained_with(self) -> Settings:
        """Settings of model and training, without those of decoding."""
        decoding = section(self.settings, DECODING)
        return {k: v for k, v in self.settings.items() if k not in decoding}

    @property
    def steps(self) -> int:
        """Optimizer steps taken, as far as they were logged."""
        return max(step for entries in self.curves.values() for step in entries)

    def read_transcripts(self, split: str, decoding: str) -> Pairs:
        """Read references and hypotheses of a split and decoding, ordered by id."""
        suffix = "" if decoding == self.decodings[split][0] else f"_{decoding}"
        path = self.folder / f"transcripts_{split}{suffix}.jsonl"
        if not path.is_file():
            raise InputError(f"{path}: no such file; rerun train.py with --test_only")
        try:
            entries = list(map(json.loads, path.read_text("utf-8").splitlines()))
            pairs = {entry["id"]: (entry["ref"], entry["hyp"]) for entry in entries}
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path}: not transcripts; rerun train.py with --test_only"
            ) from error
        if not pairs:
            raise InputError(f"{path}: holds no utterance")
        return dict(sorted(pairs.items()))


def _read_result(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; give the folder of a run that has ended"
        )
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: cannot be read as JSON ({error})") from error
    wanted = {"model", "seed", "parameters", "metrics", "hardware", "versions"}
    missing = wanted - set(result) if isinstance(result, dict) else wanted
    if missing:
        raise InputError(f"{path}: lacks {sorted(missing)[0]!r}; rerun train.py")
    return result


def _settings_before(result: dict[str, Any]) -> Settings:
    """Return the settings of a run before it continued with others."""
    return {
        f"{UNTIL}{change['step']}: {present_key(key)}": str(values[0])
        # older versions have not kept them
        for change in result.get("changed_options", [])
        for key, values in change.items()
        if key != "step"
    }


@dataclass(frozen=True)
class System:
    """Runs that differ only in the seed, in the order of their seeds.

    The name is the model's, with what distinguishes it from a system of the same model.
    """

    name: str
    runs: tuple[Run, ...]

    @property
    def parameters(self) -> int:
        """Trainable parameters."""
        return self.runs[0].result["parameters"]

    @property
    def settings(self) -> Settings:
        """Hyperparameters, but for the name."""
        settings = self.runs[0].settings
        return {key: value for key, value in settings.items() if key != NAME}

    @property
    def seeds(self) -> list[int]:
        """Seeds of the runs."""
        return [run.seed for run in self.runs]

    @property
    def steps(self) -> int:
        """Optimizer steps of a run, the mean over seeds."""
        return round(sum(run.steps for run in self.runs) / len(self.runs))

    @property
    def training_s(self) -> float | None:
        """Seconds of training of a run, the mean over seeds where known."""
        known = [run.result.get("training_wall_s") for run in self.runs]
        seconds = [value for value in known if value]
        return sum(seconds) / len(seconds) if seconds else None

    @property
    def steps_a_second(self) -> float | None:
        """Optimizer steps a second of training."""
        return self.steps / self.training_s if self.training_s else None


def group_runs(runs: Iterable[Run]) -> list[System]:
    """Join runs of one model whose trainings differ only in the seed.

    Two runs with the same seed are refused. Systems are in the order of their first
    runs.
    """
    groups: dict[Any, list[Run]] = {}
    for run in runs:
        identity = (run.result["model"], *sorted(run.trained_with.items()))
        groups.setdefault(identity, []).append(run)
    for group in groups.values():
        _check_seeds(group)
    return [
        System(name, tuple(sorted(group, key=lambda run: run.seed)))
        for name, group in zip(_names(groups.values()), groups.values(), strict=True)
    ]


def _check_seeds(group: Sequence[Run]) -> None:
    by_seed: dict[int, Run] = {}
    for run in group:
        other = by_seed.setdefault(run.seed, run)
        if other is not run:
            raise InputError(
                f"{run.folder}: {run.result['model']} with seed {run.seed}, as "
                f"{other.folder} is; give one of them"
            )


def _names(groups: Iterable[Sequence[Run]]) -> list[str]:
    """Name groups as their runs are, else after their models, else their settings."""
    firsts = [group[0] for group in groups]
    names = []
    for run in firsts:
        if NAME in run.settings:
            names.append(run.settings[NAME])
            continue
        model = run.result["model"]
        namesakes = [other for other in firsts if other.result["model"] == model]
        rows = differing({str(other.folder): other.trained_with for other in namesakes})
        # values that others are derived from are at the top of the file
        plain = [key for key in rows if "." not in key] or list(rows)
        own = [f"{key} {rows[key][str(run.folder)] or 'none'}" for key in plain[:2]]
        names.append(f"{model} ({', '.join(own)})" if own else model)
    for index, name in enumerate(names):
        if names.index(name) < index:
            names[index] = f"{name} #{names[:index].count(name) + 1}"
    return names
