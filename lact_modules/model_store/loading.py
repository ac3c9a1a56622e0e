"""Load a model from wherever it is: a training run, an export, the hub."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from lact_modules.encoders.early_exit import exit_at
from lact_modules.errors import InputError
from lact_modules.model_store.export import CONFIG_FILE, GRAPH_FILE, load_export
from lact_modules.model_store.hub import fetch_model
from lact_modules.model_store.trained_model import (
    HYPERPARAMETERS_FILE,
    TrainedModel,
    load_run,
)


def _load_onnx(folder: Path) -> TrainedModel:
    # imports onnxruntime, which is an extra
    from lact_modules.model_store.onnx.loading import load_onnx

    return load_onnx(folder)


FORMS: dict[str, Callable[[Path], TrainedModel]] = {
    GRAPH_FILE: _load_onnx,
    CONFIG_FILE: load_export,
}
"""What loads a folder that is no training run, by a file that identifies its form.

The first that is there decides.
"""

_REPO_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


def load_model(
    source: str | Path,
    num_checkpoints: int | None = None,
    exit_block: int | None = None,
) -> TrainedModel:
    """Load a trained model; no code in its files is run.

    Arguments
    ---------
    source : str | Path
        Output folder of a training run; an export; or, where there is no such folder,
        a model's id on the Hugging Face hub, ``organization/name``.
    num_checkpoints : int | None
        Of a training run: how many of the best to average; None: what it has chosen.
    exit_block : int | None
        Block after whose CTC head the model ends, see `exit_at`; None: its own end.

    Returns
    -------
    TrainedModel
        Ready to run, on the CPU.

    Raises
    ------
    InputError
        If there is no model, or what there is is damaged, or has no checkpoints, or no
        such head.
    """
    trained = _load_whole(source, num_checkpoints)
    if exit_block is None:
        return trained
    try:
        early = exit_at(trained.model, exit_block)
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    # what describes the whole model, and its results, does not describe this one
    return replace(trained, model=early, description=None, statistics=None)


def _load_whole(source: str | Path, num_checkpoints: int | None) -> TrainedModel:
    folder = Path(source)
    if not folder.is_dir() and _REPO_ID.fullmatch(str(source)):
        folder = fetch_model(str(source))
    if not folder.is_dir():
        raise InputError(
            f"{folder}: no such folder; give a run's folder, an export, or a model's "
            "id on the hub"
        )
    for name, load in FORMS.items():
        if (folder / name).is_file():
            if num_checkpoints is not None:
                raise InputError(
                    f"{folder}: no training run, so it has no checkpoints to average; "
                    "omit --avg-checkpoints"
                )
            return load(folder)
    if not (folder / HYPERPARAMETERS_FILE).is_file():
        raise InputError(
            f"{folder.absolute()}: no model: neither a run's {HYPERPARAMETERS_FILE} "
            f"nor an export's {CONFIG_FILE} is there"
        )
    return load_run(folder, num_checkpoints)
