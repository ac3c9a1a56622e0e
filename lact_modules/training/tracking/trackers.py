"""Where a training can be watched: TensorBoard, Weights & Biases, MLflow."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from lact_modules.errors import InputError
from lact_modules.training.tracking.mlflow_tracker import MLflow
from lact_modules.training.tracking.tensorboard_tracker import TensorBoard
from lact_modules.training.tracking.tracked_run import Setting
from lact_modules.training.tracking.wandb_tracker import WandB


class Tracker(Protocol):
    """What shows a training; all of it is written to the run's folder besides."""

    def show_settings(self, settings: Mapping[str, Setting]) -> None:
        """Show the hyperparameters, by name."""

    def show_numbers(self, step: int, values: Mapping[str, float]) -> None:
        """Add a point to the curve of each name."""

    def show_text(self, step: int, name: str, text: str) -> None:
        """Show a text, such as a reference with its hypothesis."""

    def show_audio(self, step: int, name: str, signal: Tensor, caption: str) -> None:
        """Offer an utterance (N,) at 16 kHz to listen to."""

    def close(self) -> None:
        """Write the remaining entries; the training is done."""


# SpeechBrain's loggers, which `train_logger` takes, know epochs alone, begin at 1 again
# in a run that resumes, and show neither texts nor anything in MLflow.
TRACKERS: dict[str, Callable[[Path], Tracker]] = {
    "tensorboard": TensorBoard,
    "wandb": WandB,
    "mlflow": MLflow,
}
"""What the YAML key ``trackers`` may name."""


def make_trackers(
    names: str | Sequence[str], folder: str | Path, settings: Mapping[str, Any]
) -> list[Tracker]:
    """Open trackers for a run, or continue those that the run began with."""
    names = [names] if isinstance(names, str) else names
    for name in names:
        if name not in TRACKERS:
            raise InputError(
                f"trackers: {name!r} unknown; choose from {', '.join(TRACKERS)}"
            )
    trackers = [TRACKERS[name](Path(folder)) for name in names]
    for tracker in trackers:
        tracker.show_settings(plain_settings(settings))
    return trackers


def plain_settings(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Setting]:
    """Pick out what trackers can show of hyperparameters.

    Nested mappings become dotted names, lists text; objects and None are left out, and
    so are folders of this machine.
    """
    plain: dict[str, Setting] = {}
    for key, value in settings.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            plain |= plain_settings(value, f"{name}.")
        elif isinstance(value, list | tuple) and all(map(_is_plain, value)):
            plain[name] = ", ".join(map(str, value))
        elif _is_plain(value):
            plain[name] = value
    return plain


def _is_plain(value: Any) -> bool:
    if isinstance(value, str):
        return not Path(value).is_absolute()
    return isinstance(value, int | float)
