"""Which checkpoints make a run's model: chosen by training, kept for who loads it."""

import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

from lact_modules.errors import InputError
from lact_modules.model_store.run.checkpoint import (
    SAVE_FOLDER,
    WEIGHTS_FILE,
    Checkpoint,
    best_checkpoints,
)
from lact_modules.model_store.run.integrity import read_meta, verify
from lact_modules.whole_file import write_whole

RESULT_FILE = "result.json"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Choice:
    """What a training has tested: its best checkpoint, or an average.

    ``best`` and ``average`` are values of ``metric`` on the dev split, where lower is
    better; ``average`` is None if there was nothing to average. ``candidates`` are the
    checkpoints that were to be averaged, the best first.
    """

    file_name: ClassVar[str] = "choice.json"

    checkpoints: list[str]
    candidates: list[str]
    metric: str
    best: float
    average: float | None

    def save(self, folder: Path) -> None:
        """Write it beside the checkpoints."""
        write_whole(folder / self.file_name, json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def load(cls, folder: Path) -> "Choice | None":
        """Read the file beside the checkpoints; None if nothing was chosen yet."""
        path = folder / cls.file_name
        if not path.exists():
            return None
        try:
            choice = cls(**json.loads(path.read_text(encoding="utf-8")))
            names = choice.checkpoints
            is_list = isinstance(names, list) and bool(names)
            if not is_list or any(Path(name).name != name for name in names):
                raise ValueError("checkpoints: must be names of folders beside it")
        except (ValueError, TypeError, RecursionError) as error:
            raise InputError(f"{path}: damaged ({error}); delete it") from error
        return choice


def find_weights(
    run_folder: Path, num: int | None, num_averaged: int, metric: str
) -> list[Checkpoint]:
    """Find the checkpoints whose weights, averaged, are a run's model.

    They are the ``num`` best, or for None those that the training chose; before it has,
    the best one alone: averages of short trainings can be far worse. ``num_averaged``
    is how many were averaged by trainings that tested the average unseen.
    """
    if num is not None:
        return best_checkpoints(run_folder, num, metric)
    folder = run_folder / SAVE_FOLDER
    try:
        choice = Choice.load(folder)
        if choice is not None:
            return [_whole(folder / name) for name in choice.checkpoints]
    except InputError as error:
        logger.warning("%s; using the best checkpoint instead of the tested one", error)
        return best_checkpoints(run_folder, 1, metric)
    was_tested = (run_folder / RESULT_FILE).is_file()
    return best_checkpoints(run_folder, num_averaged if was_tested else 1, metric)


def _whole(folder: Path) -> Checkpoint:
    verify(folder, [WEIGHTS_FILE])
    return Checkpoint(folder, read_meta(folder))
