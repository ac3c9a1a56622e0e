"""Train several encoders with several seeds by one recipe, and compare them.

python benchmarks/compare_systems.py --data_folder FOLDER -- --weight_decay 0.1

Finished runs are kept and interrupted ones resume, so it can be stopped and started
again at any time. What follows ``--`` goes to every training. Systems that differ in
options rather than in the YAML file are listed in a file, as in ``studies/``.
"""

import itertools
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
from program import run_program
from trainings import (
    LIBRISPEECH,
    DataFolder,
    Jobs,
    LimitMinutes,
    Overrides,
    Recipe,
    System,
    Systems,
    Training,
    read_systems,
    train,
)

from lact_modules.errors import InputError
from lact_modules.model_store.model_builder import build_model
from lact_modules.model_store.run.hyperparameters import read_hyperparameter

SYSTEMS = "lact_demo,conformer_demo,conmamba_demo,gated_deltanet_demo"


def count_parameters(system: System, options: Sequence[str]) -> int:
    """Count the parameters of a system's model without allocating them."""
    _, _, overrides = sb.parse_arguments(
        [str(system.hparams), "--output_folder=none", *system.settings(options)]
    )
    with open(system.hparams, encoding="utf-8") as stream:
        resolved = resolve_references(stream, overrides).getvalue()
    with tempfile.TemporaryDirectory() as folder, torch.device("meta"):
        path = Path(folder) / "hyperparams.yaml"
        path.write_text(resolved, encoding="utf-8")
        model = build_model(read_hyperparameter(path, "model"))
    return sum(parameter.numel() for parameter in model.parameters())


def check_sizes(
    systems: Sequence[System], options: Sequence[str], tolerance: float = 0.05
) -> None:
    """Print the parameters of each system; refuse sizes other than the first one's."""
    counts = {system.name: count_parameters(system, options) for system in systems}
    for name, count in counts.items():
        print(f"{name}: {count:,} parameters", flush=True)
    wanted = counts[systems[0].name]
    if any(abs(count - wanted) > tolerance * wanted for count in counts.values()):
        raise InputError(
            f"more than {tolerance:.0%} from {systems[0].name}: take another d_model"
        )


def main(
    data_folder: DataFolder,
    overrides: Overrides = None,
    output: Path = Path("runs/compare_digits"),
    recipe: Recipe = LIBRISPEECH,
    systems: Systems = SYSTEMS,
    seeds: str = "1,2,3",
    epochs: Annotated[int | None, typer.Option(help="Default: the YAML's.")] = None,
    d_model: Annotated[int, typer.Option(help="Width of every system.")] = 96,
    dataset: Annotated[
        str, typer.Option(help="Data set's name in results.")
    ] = "digits",
    test_splits: str = "test,test-unseen-speaker",
    size_tolerance: Annotated[
        float,
        typer.Option(help="Largest difference of parameters, relative to the first."),
    ] = 0.05,
    jobs: Jobs = 1,
    limit_minutes: LimitMinutes = float("inf"),
) -> None:
    """Train every system with every seed, then compare."""
    deadline = time.monotonic() + 60 * limit_minutes
    # so that trainings are stopped too
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    options = [
        *(f"--data_folder={data_folder.resolve()}", f"--dataset_name={dataset}"),
        *(f"--d_model={d_model}", f"--test_splits=[{test_splits}]"),
        *([f"--num_epochs={epochs}"] if epochs is not None else []),
        *(overrides or []),
    ]
    listed = read_systems(systems, recipe)
    check_sizes(listed, options, size_tolerance)
    # all systems of a seed before the next seed: finished ones can be compared
    trainings = [
        Training(system, int(seed), output, options)
        for seed, system in itertools.product(seeds.split(","), listed)
    ]
    done = train(trainings, jobs, deadline)
    if {training.system for training in done} == set(listed):
        lact_asr = Path(sys.executable).with_name("lact-asr")
        folders = [training.folder for training in done]
        subprocess.run([lact_asr, "compare", *folders, "--output", output], check=True)
    if len(done) < len(trainings):
        sys.exit("start it again to continue")


if __name__ == "__main__":
    run_program(main)
