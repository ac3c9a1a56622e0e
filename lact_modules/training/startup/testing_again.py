"""Starts of a run that has nothing left to train: their options are those it had."""

import logging
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from hyperpyyaml.core import recursive_update

from lact_modules.errors import InputError
from lact_modules.training.checkpointing.history import Trained
from lact_modules.training.checkpointing.option_changes import (
    NOT_OF_TRAINING,
    Change,
    find_changes,
)
from lact_modules.training.option.hparams import Settings

# batches of tests too
_FREE = (*NOT_OF_TRAINING, "max_batch_tokens")

logger = logging.getLogger(__name__)


def as_trained(settings: Settings, trained: Trained | None) -> Settings:
    """Set the options that a model was trained with, if the start only tests it."""
    if trained is None:
        return settings
    changes = find_changes(trained.options, settings.resolved, _FREE)
    overrides = deepcopy(settings.overrides)
    for change in changes:
        if not _can_be_set(change):
            raise InputError(
                f"{settings.path}: {change.name} is {change.new}, and the model was "
                f"trained with {change.old}; give the file that the run began with"
            )
        recursive_update(overrides, _nested(change.path, change.old))
    if not changes:
        return settings
    logger.warning(
        "nothing is trained, so these stay as they were: %s",
        ", ".join(f"{each.name} {each.old} (not {each.new})" for each in changes),
    )
    return settings.with_changes(
        {change.path[0]: overrides[change.path[0]] for change in changes}
    )


def check_is_left(settings: Settings, trained: Trained | None, num_epochs: int) -> None:
    """Refuse to train with other options where no step is left to be trained."""
    if trained is None or trained.is_before(
        num_epochs, settings.values["optimizer_step_limit"]
    ):
        return
    for change in find_changes(trained.options, settings.resolved, _FREE):
        raise InputError(
            f"--{change.name} {change.new}: no step is left to train, and "
            f"{settings.values['output_folder']} was trained with {change.old}; leave "
            "it at that, train for more num_epochs, or set --test_only"
        )


def _can_be_set(change: Change) -> bool:
    """Return whether a value is plain, and not within a list."""
    is_in_list = any(isinstance(key, str) and key.isdigit() for key in change.path)
    return not is_in_list and not str(change.old).startswith("!")


def _nested(path: Sequence[Any], value: Any) -> Any:
    for key in reversed(path):
        value = {key: value}
    return value
