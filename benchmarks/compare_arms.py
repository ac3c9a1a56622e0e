"""Train several encoders with several seeds by one recipe, and compare them.

python benchmarks/compare_arms.py --data_folder digits/LibriSpeech -- --weight_decay 0.1

Runs that have ended are left alone and broken ones go on, so it can be stopped at any
time and started again. What follows ``--`` goes to every training.
"""

import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import speechbrain as sb
import torch
import typer
from hyperpyyaml import resolve_references

from lact_modules.inference.hyperparameters import read_hyperparameter
from lact_modules.inference.model_builder import build_model

RECIPE = Path(__file__).resolve().parents[1] / "recipes" / "LibriSpeech" / "ASR" / "CTC"
ARMS = "lact_demo,conformer_demo,conmamba_demo"
POLL_S = 0.5


class Training:
    """One arm with one seed, in a process of its own.

    Arguments
    ---------
    arm : str
        Name of the hyperparameter file.
    seed : int
        Of the training.
    output : Path
        Gets the folder ``<arm>_<seed>``.
    """

    def __init__(self, arm: str, seed: int, output: Path):
        self.arm, self.seed = arm, seed
        self.folder = output / f"{arm}_{seed}"
        self.result = self.folder / "result.json"
        self.console = self.folder / "console.txt"
        self.epoch = len(self._validations())

    def start(self, options: Sequence[str], num_threads: int) -> None:
        """Begin, or go on where it was stopped."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.console, "a", encoding="utf-8") as console:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "train.py", f"hparams/{self.arm}.yaml"),
                    f"--output_folder={self.folder.resolve()}",
                    *(f"--seed={self.seed}", "--noprogressbar", *options),
                ],
                cwd=RECIPE,
                env={**os.environ, "OMP_NUM_THREADS": str(num_threads)},
                stdout=console,
                stderr=subprocess.STDOUT,
            )
        self.say("resumed" if self.epoch else "started")

    def is_over(self) -> bool:
        """Tell of new validations, and whether the process has ended."""
        validations = self._validations()
        for entry in validations[self.epoch :]:
            self.say(f"epoch {entry['epoch']:g}, dev WER {entry['wer']:.2f} %")
        self.epoch = len(validations)
        if self.process.poll() is None:
            return False
        if self.process.returncode:
            self.say(f"FAILED, see {self.console}")
        elif self.result.exists():
            self.say("done")
        return True

    def stop(self) -> None:
        """End the process; its last checkpoint stays."""
        self.process.terminate()
        self.process.wait()
        self.say("stopped")

    def say(self, message: str) -> None:
        """Print a line about this run."""
        print(f"{time.strftime('%H:%M:%S')} {self.folder.name}: {message}", flush=True)

    def _validations(self) -> list[dict]:
        log = self.folder / "metrics.jsonl"
        lines = log.read_text("utf-8").splitlines() if log.exists() else []
        # a line may be half written
        entries = [json.loads(line) for line in lines if line.endswith("}")]
        return [entry for entry in entries if entry["split"] == "dev"]


def count_parameters(arm: str, options: Sequence[str]) -> int:
    """Count the parameters of an arm's model without allocating them."""
    hparams = RECIPE / "hparams" / f"{arm}.yaml"
    _, _, overrides = sb.parse_arguments(
        [str(hparams), "--output_folder=none", *options]
    )
    with open(hparams, encoding="utf-8") as stream:
        resolved = resolve_references(stream, overrides).getvalue()
    with tempfile.TemporaryDirectory() as folder, torch.device("meta"):
        path = Path(folder) / "hyperparams.yaml"
        path.write_text(resolved, encoding="utf-8")
        model = build_model(read_hyperparameter(path, "model"))
    return sum(parameter.numel() for parameter in model.parameters())


def check_sizes(
    arms: Sequence[str], options: Sequence[str], tolerance: float = 0.05
) -> None:
    """Print the arms' parameters; refuse arms that are not of the first one's size."""
    counts = {arm: count_parameters(arm, options) for arm in arms}
    for arm, count in counts.items():
        print(f"{arm}: {count:,} parameters", flush=True)
    wanted = counts[arms[0]]
    if any(abs(count - wanted) > tolerance * wanted for count in counts.values()):
        sys.exit(f"more than {tolerance:.0%} from {arms[0]}: take another d_model")


def train(
    waiting: list[Training], options: Sequence[str], jobs: int, deadline: float
) -> None:
    """Run trainings, some at a time, until all are over or time is up."""
    num_threads = max(1, len(os.sched_getaffinity(0)) // jobs)
    running: list[Training] = []
    try:
        while (waiting or running) and time.monotonic() < deadline:
            while waiting and len(running) < jobs:
                running.append(waiting.pop(0))
                running[-1].start(options, num_threads)
            running = [training for training in running if not training.is_over()]
            time.sleep(POLL_S)
    finally:
        for training in running:
            training.stop()


def main(
    data_folder: Annotated[Path, typer.Option("--data_folder", help="The corpus.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="For train.py, after --.")
    ] = None,
    output: Path = Path("runs/compare_digits"),
    arms: Annotated[str, typer.Option(help="YAML files, without .yaml.")] = ARMS,
    seeds: str = "1,2,3",
    epochs: Annotated[int | None, typer.Option(help="Default: the YAML's.")] = None,
    d_model: Annotated[int, typer.Option(help="Width of every arm.")] = 96,
    dataset: Annotated[str, typer.Option(help="Name for the records.")] = "digits",
    test_splits: str = "test,test-unseen-speaker",
    size_tolerance: Annotated[
        float, typer.Option(help="Of parameters, relative to the first arm.")
    ] = 0.05,
    jobs: Annotated[int, typer.Option(min=1, help="Trainings at a time.")] = 1,
    limit_minutes: Annotated[
        float, typer.Option(help="Stop then; start again to go on.")
    ] = float("inf"),
) -> None:
    """Train every arm with every seed, then compare."""
    deadline = time.monotonic() + 60 * limit_minutes
    # so that trainings are stopped too
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    options = [
        *(f"--data_folder={data_folder.resolve()}", f"--dataset_name={dataset}"),
        *(f"--d_model={d_model}", f"--test_splits=[{test_splits}]"),
        *([f"--num_epochs={epochs}"] if epochs is not None else []),
        *(overrides or []),
    ]
    check_sizes(arms.split(","), options, size_tolerance)
    # all arms of a seed before the next seed: what is there can be compared
    trainings = [
        Training(arm, int(seed), output)
        for seed, arm in itertools.product(seeds.split(","), arms.split(","))
    ]
    train([t for t in trainings if not t.result.exists()], options, jobs, deadline)
    done = [training for training in trainings if training.result.exists()]
    print(f"{len(done)} of {len(trainings)} runs are done", flush=True)
    if {training.arm for training in done} == set(arms.split(",")):
        lact_asr = Path(sys.executable).with_name("lact-asr")
        folders = [training.folder for training in done]
        subprocess.run([lact_asr, "compare", *folders, "--output", output], check=True)
    if len(done) < len(trainings):
        sys.exit("start it again to go on")


if __name__ == "__main__":
    typer.run(main)
