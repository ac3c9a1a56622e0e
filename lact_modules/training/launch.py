"""Start a recipe from the command line; its user's faults are one line, exit code 2."""

import errno
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import speechbrain as sb
import torch
import yaml
from hyperpyyaml import load_hyperpyyaml
from speechbrain.utils.distributed import ddp_init_group

from lact_modules.errors import InputError

Recipe = Callable[[dict[str, Any], Any, list[str]], None]


def launch(recipe: Recipe) -> None:
    """Run ``recipe(hparams, run_opts, command)`` as ``python train.py YAML --key value``.

    Options are SpeechBrain's run options and overrides of YAML keys. The output
    folder gets ``hyperparams.yaml`` and ``log.txt``.

    Arguments
    ---------
    recipe : Callable
        What to run; `command` is ``sys.argv``.
    """
    try:
        yaml_file, run_opts, overrides = sb.parse_arguments(sys.argv[1:])
        ddp_init_group(run_opts)
        hparams = load_hparams(yaml_file, overrides)
        torch.manual_seed(hparams["seed"])
        sb.create_experiment_directory(
            experiment_directory=hparams["output_folder"],
            hyperparams_to_save=yaml_file,
            overrides=overrides,
        )
        recipe(hparams, run_opts, sys.argv)
    except InputError as error:
        _fail(str(error))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _fail(f"{error.filename or 'output_folder'}: no space left on the device")


def load_hparams(yaml_file: str | Path, overrides: str | dict[str, Any]) -> dict:
    """Read a recipe's HyperPyYAML file with overrides.

    Arguments
    ---------
    yaml_file : str | Path
        The file.
    overrides : str | dict
        YAML text, or a mapping, of keys to replace.

    Returns
    -------
    dict
        Hyperparameters, objects made.

    Raises
    ------
    InputError
        If the file is missing, is not valid, or an override names no key of it.
    """
    path = Path(yaml_file)
    if not path.is_file():
        raise InputError(f"{path}: no such YAML file; see hparams/ beside train.py")
    try:
        with open(path, encoding="utf-8") as stream:
            return load_hyperpyyaml(stream, overrides)
    except KeyError as error:
        raise InputError(f"{path}: no key {error.args[0]!r}; check its name") from error
    except (ValueError, TypeError, yaml.YAMLError, OSError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: {reason}") from error


def _fail(message: str) -> None:
    logging.getLogger(__name__).debug("stopped", exc_info=True)
    print(f"train.py: {message}", file=sys.stderr)
    sys.exit(2)
