"""TensorBoard as a tracker."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from lact_modules.data.audio import SAMPLE_RATE
from lact_modules.training.tracking.tracked_run import Setting


class TensorBoard:
    """Event files in the folder ``tensorboard`` of the run."""

    def __init__(self, folder: Path):
        self.writer = SummaryWriter(folder / "tensorboard")

    def show_settings(self, settings: Mapping[str, Setting]) -> None:
        """Fill the tab of hyperparameters."""
        # a metric given here would be a point of its curve
        self.writer.add_hparams(dict(settings), metric_dict={}, run_name=".")

    def show_numbers(self, step: int, values: Mapping[str, float]) -> None:
        """Add a point to the curve of each name."""
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)
        self.writer.flush()

    def show_text(self, step: int, name: str, text: str) -> None:
        """Show a text, its lines as they are."""
        indented = "\n".join(f"    {line}" for line in text.splitlines())
        self.writer.add_text(name, indented, step)

    def show_audio(self, step: int, name: str, signal: Tensor, caption: str) -> None:
        """Offer an utterance, and its caption under the tab of texts."""
        self.writer.add_audio(name, signal, step, SAMPLE_RATE)
        self.show_text(step, name, caption)

    def close(self) -> None:
        """Write the remaining events."""
        self.writer.close()
