"""Exports: a trained model as safetensors, JSON and text; nothing in it can run."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from lact_modules.adaptation.gate import CleanStatistics
from lact_modules.data.audio import SAMPLE_RATE
from lact_modules.errors import InputError
from lact_modules.model_store.publishable import check_own_files
from lact_modules.model_store.run.checkpoint import SAVE_FOLDER
from lact_modules.model_store.speechbrain_yaml import speechbrain_yaml
from lact_modules.model_store.trained_model import (
    HYPERPARAMETERS_FILE,
    VOCABULARY_FILES,
    TrainedModel,
    assemble,
    load_run,
)
from lact_modules.whole_file import folder_beside

FORMAT_VERSION = 1
CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
GRAPH_FILE = "model.onnx"
STREAM_FILE = "stream.onnx"
TOKENS_FILE = "tokens.txt"
RESULT_FILE = "result.json"
EXPORT_FILES = (
    *(WEIGHTS_FILE, *VOCABULARY_FILES, CONFIG_FILE),
    *(RESULT_FILE, CleanStatistics.file_name, HYPERPARAMETERS_FILE),
)
"""What an export may hold; of the vocabularies it holds one."""

TRANSFORMERS_FILES = (
    *("modeling_lact.py", "tokenizer_config.json"),
    *("preprocessor_config.json", "processor_config.json"),
)
"""What it holds beside, if transformers is to read it too."""

ONNX_FILES = (GRAPH_FILE, STREAM_FILE, TOKENS_FILE)
"""What it holds in the place of weights, if onnxruntime is to run it."""


def export_model(
    run_folder: str | Path,
    out_folder: str | Path,
    num_checkpoints: int | None = None,
    force: bool = False,
    complete: Callable[[Path], None] | None = None,
) -> TrainedModel:
    """Write a trained model as a folder to share, and return it.

    It holds ``model.safetensors``, ``config.json``, ``vocabulary.txt`` (of subwords:
    ``tokenizer.model``), ``hyperparams.yaml`` for SpeechBrain's recognizers and, if the
    run was tested, its ``result.json`` and ``clean_statistics.json``. An earlier export
    in the folder is replaced; a folder with other files is refused without ``force``.
    ``complete`` adds what is in `TRANSFORMERS_FILES` or `ONNX_FILES`.
    """
    run_folder, out_folder = Path(run_folder), Path(out_folder)
    _check_destination(out_folder, force)
    check_own_files(run_folder, _read_of_run(run_folder))
    trained = _load(run_folder, num_checkpoints)
    with folder_beside(out_folder) as unfinished:
        config = json.dumps(_config(trained), indent=2)
        (unfinished / CONFIG_FILE).write_text(config + "\n", encoding="utf-8")
        _write_weights(trained, unfinished / WEIGHTS_FILE)
        # safetensors writes files that their owner alone can read
        shutil.copymode(unfinished / CONFIG_FILE, unfinished / WEIGHTS_FILE)
        trained.vocabulary.save(unfinished / trained.vocabulary.file_name)
        needed = (CONFIG_FILE, WEIGHTS_FILE, trained.vocabulary.file_name)
        for_speechbrain = unfinished / HYPERPARAMETERS_FILE
        for_speechbrain.write_text(speechbrain_yaml(needed), encoding="utf-8")
        for name in (RESULT_FILE, CleanStatistics.file_name):
            if (run_folder / name).is_file():
                shutil.copyfile(run_folder / name, unfinished / name)
        if complete is not None:
            complete(unfinished)
        _move_files(unfinished, out_folder)
    return trained


def is_run(folder: Path) -> bool:
    """Return whether a folder is a training run; exports have a YAML file, too."""
    return (folder / HYPERPARAMETERS_FILE).is_file() and not (
        folder / CONFIG_FILE
    ).is_file()


def _load(folder: Path, num_checkpoints: int | None) -> TrainedModel:
    if is_run(folder):
        return load_run(folder, num_checkpoints)
    if not (folder / CONFIG_FILE).is_file():
        names = f"a run's {HYPERPARAMETERS_FILE} nor an export's {CONFIG_FILE}"
        raise InputError(f"{folder}: no model: neither {names} is there")
    if num_checkpoints is not None:
        raise InputError(f"{folder}: an export has no checkpoints to average")
    return load_export(folder)


def load_export(folder: str | Path) -> TrainedModel:
    """Load an export, on the CPU; no code from it is run, and only models are built."""
    folder = Path(folder)
    config = read_config(folder / CONFIG_FILE)
    weights_file = folder / WEIGHTS_FILE
    if not weights_file.is_file():
        what = "export the run again"
        if (folder / GRAPH_FILE).is_file():
            what = f"{GRAPH_FILE} is run alone; give what it was exported of"
        raise InputError(f"{weights_file}: no such file; {what}")
    try:
        weights = load_file(weights_file)
    except SafetensorError as error:
        raise InputError(f"{weights_file}: not safetensors ({error})") from error
    # transformers adds a prefix to all names
    weights = {name.removeprefix("model."): value for name, value in weights.items()}
    return assemble(folder, config["model"], weights)


def _check_destination(folder: Path, force: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; name a folder for the export")
    if is_run(folder):
        raise InputError(f"{folder}: is a training run; name another folder")
    names = {entry.name for entry in folder.iterdir()} if folder.exists() else set()
    kinds = {CONFIG_FILE}, {WEIGHTS_FILE, GRAPH_FILE}, {*VOCABULARY_FILES}
    is_export = all(names & kind for kind in kinds)
    if names and not is_export and not force:
        raise InputError(f"{folder}: holds other files; name a new folder, or --force")


def _read_of_run(folder: Path) -> Iterator[Path]:
    """Yield the files that an export is made from."""
    for name in (HYPERPARAMETERS_FILE, *EXPORT_FILES):
        yield folder / name
    yield folder / SAVE_FOLDER
    yield from (folder / SAVE_FOLDER).rglob("*")


def _write_weights(trained: TrainedModel, path: Path) -> None:
    # Cloned because safetensors refuses tensors that share their memory.
    state = {k: v.clone().contiguous() for k, v in trained.model.state_dict().items()}
    try:
        # transformers requires it
        save_file(state, path, metadata={"format": "pt"})
    except SafetensorError as error:
        raise InputError(f"{path}: cannot be written ({error})") from error


def _config(trained: TrainedModel) -> dict[str, Any]:
    return {
        "format_version": FORMAT_VERSION,
        "sample_rate": SAMPLE_RATE,
        "frame_rate": trained.model.frame_rate,
        "parameters": sum(p.numel() for p in trained.model.parameters()),
        "model": trained.description,
    }


def read_config(path: Path) -> dict[str, Any]:
    """Read an export's ``config.json``, whose ``model`` has still to be checked."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; is this an export?")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({error})") from error
    if not isinstance(config, dict) or "model" not in config:
        raise InputError(f"{path}: does not describe a model; export the run again")
    for key, known in ("format_version", FORMAT_VERSION), ("sample_rate", SAMPLE_RATE):
        if config.get(key) != known:
            raise InputError(
                f"{path}: {key} {config.get(key)!r}; this version reads {known} alone"
            )
    return config


def _move_files(source: Path, destination: Path) -> None:
    destination.mkdir(exist_ok=True)
    for name in (*EXPORT_FILES, *TRANSFORMERS_FILES, *ONNX_FILES):
        if (source / name).exists():
            os.replace(source / name, destination / name)
        else:
            (destination / name).unlink(missing_ok=True)
