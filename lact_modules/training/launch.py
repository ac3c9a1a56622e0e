"""Start a recipe from the command line; its user's faults are one line, exit code 2."""

import difflib
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import speechbrain as sb
import torch
from hyperpyyaml import load_hyperpyyaml
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from speechbrain.utils.distributed import (
    ddp_init_group,
    get_rank,
    is_distributed_initialized,
)

from lact_modules.allocator import keep_freed_memory
from lact_modules.errors import InputError, faults_shown
from lact_modules.training.defaults import DEFAULTS
from lact_modules.training.folder_lock import only_training_in

Recipe = Callable[[dict[str, Any], Any, list[str]], None]


def launch(recipe: Recipe) -> None:
    """Run a recipe as ``python train.py YAML --key value``.

    Options are SpeechBrain's run options and overrides of YAML keys. The output
    folder gets ``hyperparams.yaml`` and ``log.txt``.

    Arguments
    ---------
    recipe : Recipe
        ``recipe(hparams, run_opts, command)``, what to run; `command` is
        ``sys.argv``.
    """
    keep_freed_memory()
    try:
        with faults_shown("train.py"):
            yaml_file, run_opts, overrides = sb.parse_arguments(sys.argv[1:])
            ddp_init_group(run_opts)
            hparams = load_hparams(yaml_file, overrides)
            # processes share the model, and differ in augmentation and dropout
            torch.manual_seed(hparams["seed"] + (get_rank() or 0))
            with only_training_in(hparams["output_folder"]):
                sb.create_experiment_directory(
                    experiment_directory=hparams["output_folder"],
                    hyperparams_to_save=yaml_file,
                    overrides=overrides,
                )
                recipe(hparams, run_opts, sys.argv)
    finally:
        if is_distributed_initialized():
            torch.distributed.destroy_process_group()
            # gloo's threads outlive it; freeing a tensor while Python ends, they
            # would abort the process
            time.sleep(0.5)


def load_hparams(yaml_file: str | Path, overrides: str | dict[str, Any]) -> dict:
    """Read a recipe's HyperPyYAML file with overrides.

    Arguments
    ---------
    yaml_file : str | Path
        The file.
    overrides : str | dict[str, Any]
        YAML text, or a mapping, of keys to replace.

    Returns
    -------
    dict
        Hyperparameters, objects made, upon `DEFAULTS`.

    Raises
    ------
    InputError
        If the file is missing, is not valid, or an override names no key of it.
    """
    path = Path(yaml_file)
    if not path.is_file():
        raise InputError(f"{path}: no such YAML file; see hparams/ beside train.py")
    if isinstance(overrides, str):
        overrides = _read_overrides(overrides)
    try:
        known = YAML().load(path)
        if not isinstance(known, CommentedMap):
            raise InputError("not a mapping of hyperparameters")
        _check_keys(overrides, DEFAULTS | known)
        with open(path, encoding="utf-8") as stream:
            given = load_hyperpyyaml(stream, overrides, overrides_must_match=False)
    # what a constructor says of its arguments is the fault of who gave them
    except (
        *(ValueError, TypeError, KeyError, AttributeError, ImportError),
        *(YAMLError, OSError),
    ) as error:
        raise InputError(f"{path}: {_reason(error)}") from error
    return DEFAULTS | given


def _read_overrides(text: str) -> dict[str, Any]:
    try:
        return YAML().load(text) or {}
    except YAMLError as error:
        raise InputError(f"command line: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """Say on one line what went wrong."""
    if isinstance(error, MarkedYAMLError) and error.problem_mark:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    # HyperPyYAML puts words of its own before those of a constructor
    reason = error.args[-1] if isinstance(error, TypeError) else error
    return " ".join(str(reason).split())


def _check_keys(overrides: dict[str, Any], known: Mapping[str, Any]) -> None:
    """Find keys that the file lacks; the arguments of a class are its own affair."""
    for name, value in overrides.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "see the file for its keys"
            raise InputError(f"no key {name!r}; {hint}")
        inner = known[name]
        is_plain = isinstance(inner, CommentedMap) and inner.tag.value is None
        # an empty mapping is open: what takes it knows its keys
        if is_plain and inner and isinstance(value, dict):
            _check_keys(value, inner)
