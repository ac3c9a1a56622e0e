"""Trainings of several systems with several seeds, each in a process of its own."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
import yaml

from lact_modules.errors import InputError

RECIPES = Path(__file__).resolve().parents[1] / "recipes"
LIBRISPEECH = "LibriSpeech/ASR/CTC"
POLL_S = 0.5

# options of programs that train
DataFolder = Annotated[
    Path, typer.Option("--data_folder", help="Folder of the corpus.")
]
Overrides = Annotated[
    list[str] | None, typer.Argument(help="Options of train.py, after --.")
]
Recipe = Annotated[str, typer.Option(help="Recipe's folder below recipes/.")]
Systems = Annotated[
    str, typer.Option(help="YAML files without .yaml, or a file of systems.")
]
Jobs = Annotated[int, typer.Option(min=1, help="Trainings at a time.")]
LimitMinutes = Annotated[
    float, typer.Option(help="Minutes after which to stop; start again to continue.")
]


class System(NamedTuple):
    """What is compared: a recipe's hyperparameter file, and options of its own.

    Arguments
    ---------
    name : str
        By which the system goes.
    hparams : Path
        Absolute, ``<recipe>/hparams/<model>.yaml``.
    options : tuple[str, ...]
        For ``train.py``.
    """

    name: str
    hparams: Path
    options: tuple[str, ...] = ()

    @property
    def recipe(self) -> Path:
        """Folder of its ``train.py``."""
        return self.hparams.parents[1]

    def settings(self, shared: Sequence[str]) -> list[str]:
        """Return the options of all systems, but its own for what both of them set."""
        by_key: dict[str, list[str]] = {}
        for word in (*shared, *self.options):
            if word.startswith("--"):
                key, _, _ = word.partition("=")
                by_key[key] = []
            by_key[key].append(word)
        return [word for words in by_key.values() for word in words]


def read_systems(which: str, recipe: str) -> list[System]:
    """Find the systems of a comparison.

    Arguments
    ---------
    which : str
        Names of hyperparameter files without ``.yaml``, between commas; or a YAML file
        that maps a name of each system to ``model`` and ``options``, a list in
        which ``$NAME`` stands for an environment variable.
    recipe : str
        Folder below ``recipes/``.

    Returns
    -------
    list[System]
        In the order given.
    """
    if which.endswith(".yaml"):
        listed = yaml.safe_load(Path(which).read_text(encoding="utf-8"))
    else:
        listed = {name: {"model": name} for name in which.split(",")}
    hparams = RECIPES / recipe / "hparams"
    systems = [
        System(
            name,
            hparams / f"{system['model']}.yaml",
            tuple(map(os.path.expandvars, system.get("options", ()))),
        )
        for name, system in listed.items()
    ]
    for system in systems:
        if not system.hparams.is_file():
            raise InputError(
                f"{system.hparams}: no such file; give another system or --recipe"
            )
    return systems


class Training:
    """One system with one seed.

    Arguments
    ---------
    system : System
        What to train.
    seed : int
        Of the training.
    output : Path
        Gets the folder ``<system>_<seed>``.
    options : Sequence[str]
        For ``train.py``; where the system sets the same key, its own counts.
    """

    def __init__(self, system: System, seed: int, output: Path, options: Sequence[str]):
        self.system, self.seed, self.options = system, seed, options
        self.folder = output / f"{system.name}_{seed}"
        self.result = self.folder / "result.json"
        self.console = self.folder / "console.txt"
        self.epoch = len(self.validations())

    def start(self, num_threads: int) -> None:
        """Begin, or continue where it stopped."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.console, "a", encoding="utf-8") as console:
            self.process = subprocess.Popen(
                [
                    *(
                        sys.executable,
                        "train.py",
                        f"hparams/{self.system.hparams.name}",
                    ),
                    f"--output_folder={self.folder.resolve()}",
                    *(f"--seed={self.seed}", f"--system={self.system.name}"),
                    "--noprogressbar",
                    *self.system.settings(self.options),
                ],
                cwd=self.system.recipe,
                env={**os.environ, "OMP_NUM_THREADS": str(num_threads)},
                stdout=console,
                stderr=subprocess.STDOUT,
            )
        self.log("resumed" if self.epoch else "started")

    def is_over(self) -> bool:
        """Report new validations; return whether the process has ended."""
        validations = self.validations()
        for entry in validations[self.epoch :]:
            self.log(f"epoch {entry['epoch']:g}, dev WER {entry['wer']:.2f} %")
        self.epoch = len(validations)
        if self.process.poll() is None:
            return False
        if self.process.returncode:
            self.log(f"FAILED, see {self.console}")
        elif self.result.exists():
            self.log("done")
        return True

    def stop(self) -> None:
        """End the process; its last checkpoint stays."""
        self.process.terminate()
        self.process.wait()
        self.log("stopped")

    def log(self, message: str) -> None:
        """Print a line about this run."""
        print(f"{time.strftime('%H:%M:%S')} {self.folder.name}: {message}", flush=True)

    def validations(self) -> list[dict]:
        """Read what was measured on dev so far."""
        log = self.folder / "metrics.jsonl"
        lines = log.read_text("utf-8").splitlines() if log.exists() else []
        # a line may be half written
        entries = [json.loads(line) for line in lines if line.endswith("}")]
        return [entry for entry in entries if entry["split"] == "dev"]


def train(trainings: Sequence[Training], jobs: int, deadline: float) -> list[Training]:
    """Run what has not ended before, some at a time, until time is up.

    Arguments
    ---------
    trainings : Sequence[Training]
        In the order of their start.
    jobs : int
        How many at a time.
    deadline : float
        By `time.monotonic`.

    Returns
    -------
    list[Training]
        Those that have a result now.
    """
    num_threads = max(1, len(os.sched_getaffinity(0)) // jobs)
    waiting = [training for training in trainings if not training.result.exists()]
    running: list[Training] = []
    try:
        while (waiting or running) and time.monotonic() < deadline:
            while waiting and len(running) < jobs:
                running.append(waiting.pop(0))
                running[-1].start(num_threads)
            running = [training for training in running if not training.is_over()]
            time.sleep(POLL_S)
    finally:
        for training in running:
            training.stop()
    done = [training for training in trainings if training.result.exists()]
    print(f"{len(done)} of {len(trainings)} runs are done", flush=True)
    return done
