"""Load a model from wherever it is: a training run, an export, the hub."""

import re
from pathlib import Path

from lact_modules.errors import InputError
from lact_modules.inference.export import load_export
from lact_modules.inference.hub import fetch_model
from lact_modules.inference.trained_model import (
    HYPERPARAMETERS_FILE,
    TrainedModel,
    load_run,
)

_REPO_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


def load_model(source: str | Path) -> TrainedModel:
    """Load a trained model; no code that comes with it is run.

    Arguments
    ---------
    source : str | Path
        Output folder of a training run, whose best checkpoints are averaged; an
        export; or, where there is no such folder, a model's id on the Hugging Face
        hub, ``organization/name``.

    Returns
    -------
    TrainedModel
        Ready to run, on the CPU.

    Raises
    ------
    InputError
        If there is no model, or what there is is damaged.
    """
    folder = Path(source)
    if not folder.is_dir() and _REPO_ID.fullmatch(str(source)):
        folder = fetch_model(str(source))
    if not folder.is_dir():
        raise InputError(
            f"{folder}: no such folder; give a run's folder, an export, or a model's "
            "id on the hub"
        )
    is_run = (folder / HYPERPARAMETERS_FILE).is_file()
    return load_run(folder) if is_run else load_export(folder)
