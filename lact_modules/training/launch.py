"""Start a recipe from the command line; its user's faults are one line, exit code 2."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import speechbrain as sb
import torch
from speechbrain.core import DEFAULT_LOG_CONFIG
from speechbrain.utils.distributed import (
    ddp_init_group,
    get_rank,
    infer_device,
    is_distributed_initialized,
)
from speechbrain.utils.seed import seed_everything

from lact_modules.allocator import keep_freed_memory
from lact_modules.closed_streams import open_closed_streams
from lact_modules.errors import InputError, faults_shown
from lact_modules.model_store.run.settings_file import write_settings
from lact_modules.model_store.trained_model import HYPERPARAMETERS_FILE
from lact_modules.threads import obey_thread_limit
from lact_modules.training.checkpointing.history import OptionHistory, read_trained
from lact_modules.training.option.command_line import read_command_line
from lact_modules.training.option.hparams import Settings, make_hparams, read_settings
from lact_modules.training.option.run_options import (
    RUN_OPTIONS,
    SPEECHBRAINS,
    check_run_options,
    make_run_options,
)
from lact_modules.training.option.training_keys import Keys
from lact_modules.training.option.trial import try_out
from lact_modules.training.option.usage import show_usage
from lact_modules.training.parallel.main_process import from_main
from lact_modules.training.startup.folder_lock import only_training_in
from lact_modules.training.startup.refused_start import settings_kept_if_refused
from lact_modules.training.startup.testing_again import as_trained, check_is_left
from lact_modules.training.startup.throwaway import nothing_kept_of_trials

Recipe = Callable[[dict[str, Any], Any, list[str]], None]


def launch(recipe: Recipe, keys: Keys) -> None:
    """Run a recipe as ``python train.py YAML --key value``.

    Options are SpeechBrain's run options and overrides of YAML keys; all are checked
    before anything is written. The output folder gets ``hyperparams.yaml``, with the
    resolved options, and ``log.txt``. With ``--debug`` nothing is kept, and with
    ``--find_lr`` the losses by learning rate.

    Arguments
    ---------
    recipe : Recipe
        ``recipe(hparams, run_opts, command)``, what to run; `command` is
        ``sys.argv``.
    keys : Keys
        Keys of YAML files and command line, such as `keys.CTC`.
    """
    open_closed_streams()
    keep_freed_memory()
    obey_thread_limit()
    try:
        with faults_shown("train.py"):
            line = read_command_line(sys.argv[1:], keys)
            if line.wants_help:
                show_usage(sys.argv[0], line.yaml_file, keys)
                return
            if line.yaml_file is None:
                raise InputError("no YAML file; expected one of hparams/, see --help")
            _run(recipe, read_settings(line.yaml_file, line.overrides, keys))
    finally:
        if is_distributed_initialized():
            torch.distributed.destroy_process_group()
            # gloo's threads outlive it; freeing a tensor while Python ends, they
            # would abort the process
            time.sleep(0.5)


def _run(recipe: Recipe, settings: Settings) -> None:
    check_run_options(settings.values)
    ddp_init_group(make_run_options(settings.given, settings.values))
    with nothing_kept_of_trials(settings) as settings:
        trained = read_trained(settings.values.get("save_folder"))
        if settings.values["test_only"]:
            settings = as_trained(settings, trained)
        hparams = make_hparams(settings)
        if "epoch_counter" in hparams:
            check_is_left(settings, trained, hparams["epoch_counter"].limit)
        hparams |= {"history": OptionHistory(settings.resolved, trained)}
        try_out(hparams)
        # SpeechBrain logs each that it finds, and has its own default for others
        for name in RUN_OPTIONS.keys() - settings.named:
            if hparams[name] == SPEECHBRAINS[name]:
                del hparams[name]
        # processes share the model, and differ in augmentation and dropout
        seed_everything(hparams["seed"] + (get_rank() or 0), verbose=False)
        folder = hparams["output_folder"]
        kept = settings_kept_if_refused(folder, hparams.get("save_folder"))
        with only_training_in(folder), kept:
            from_main(_write_settings, settings, folder)
            sb.create_experiment_directory(
                experiment_directory=folder,
                log_config=settings.values["log_config"] or DEFAULT_LOG_CONFIG,
            )
            recipe(hparams, make_run_options(settings.given, settings.values), sys.argv)


def _write_settings(settings: Settings, folder: str) -> None:
    """Write all that holds, also the device that was found."""
    device = settings.values["device"] or infer_device()
    resolved = settings.with_changes({"device": device}).resolved
    write_settings(Path(folder) / HYPERPARAMETERS_FILE, resolved, settings.path)
