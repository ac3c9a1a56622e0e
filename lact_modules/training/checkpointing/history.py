"""Which options the steps of a run were trained with, also if a later start differs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from lact_modules.errors import InputError
from lact_modules.former_keys import (
    in_present_keys,
    with_present_keys,
)
from lact_modules.model_store.run.checkpoint import newest_in
from lact_modules.model_store.run.integrity import verify
from lact_modules.training.checkpointing.option_changes import (
    NOT_OF_TRAINING,
    find_changes,
)

_BRAIN_FILE = "brain.ckpt"


class Trained(NamedTuple):
    """The training of a run, from its newest checkpoint.

    ``options`` is resolved YAML of the start that trained the last step; ``epochs``
    includes the share of the unfinished one.
    """

    options: str
    changed_options: list[dict[str, Any]]
    epochs: float
    step: int

    def is_before(self, num_epochs: int, step_limit: int | None) -> bool:
        """Return whether a training that ends there has steps left."""
        # shares of epochs are sums of floats
        is_within = self.epochs < num_epochs - 1e-6
        return is_within and (step_limit is None or self.step < step_limit)


def read_trained(save_folder: str | Path | None) -> Trained | None:
    """Read how a run was trained so far; None if no checkpoint has it.

    That is so if there is none, the newest is damaged, or its version kept no options.
    """
    newest = None if save_folder is None else newest_in(Path(save_folder))
    if newest is None:
        return None
    try:
        verify(newest.folder, [_BRAIN_FILE])
    # resuming names it, and takes another one
    except InputError:
        return None
    state = yaml.safe_load((newest.folder / _BRAIN_FILE).read_text(encoding="utf-8"))
    if state.get("options") is None:
        return None
    return Trained(
        in_present_keys(state["options"]),
        [with_present_keys(change) for change in state["changed_options"]],
        newest.meta.get("epoch", state["epoch"]),
        state["optimizer_step"],
    )


class OptionHistory:
    """The options of this start, as resolved YAML, and those of the steps before."""

    def __init__(self, options: str, trained: Trained | None = None):
        self._options, self._trained = options, trained
        self._trained_with = trained.options if trained else None
        self._changes = trained.changed_options if trained else []

    def train(self, step: int) -> None:
        """Note that a step is to be trained with the options of this start."""
        if self._trained_with != self._options:
            self._changes = self._with_changes(step)
            self._trained_with = self._options

    @property
    def changed_options(self) -> list[dict[str, Any]]:
        """What was changed on the way.

        For each start that went on with other options, the ``step`` that the old ones
        held up to, and by dotted key the old and the new value.
        """
        return self._with_changes(self._trained.step if self._trained else 0)

    def _with_changes(self, step: int) -> list[dict[str, Any]]:
        if self._trained_with in (None, self._options):
            return self._changes
        changes = find_changes(self._trained_with, self._options, NOT_OF_TRAINING)
        by_name = {change.name: [change.old, change.new] for change in changes}
        return [*self._changes, *([{"step": step, **by_name}] if by_name else [])]

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {"options": self._trained_with, "changed_options": self._changes}

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from what a checkpoint has kept; older ones have kept nothing."""
        options, changes = state.get("options"), state.get("changed_options", [])
        self._trained_with = None if options is None else in_present_keys(options)
        self._changes = [with_present_keys(change) for change in changes]
