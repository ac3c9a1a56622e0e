"""Weights & Biases as a tracker; its package is an extra."""

import os
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from lact_modules.data.audio import SAMPLE_RATE
from lact_modules.training.tracking.tracked_run import PROJECT, Setting, TrackedRun


class WandB:
    """A run of Weights & Biases; without a network where ``WANDB_MODE=offline``.

    ``wandb_run.txt`` in the run's folder keeps the id, to resume.
    """

    def __init__(self, folder: Path):
        tracked = TrackedRun(folder, "wandb")
        try:
            import wandb
        except ImportError as error:
            raise tracked.is_missing() from error
        self.wandb = wandb
        try:
            self.run = wandb.init(
                dir=folder,
                project=os.environ.get("WANDB_PROJECT", PROJECT),
                name=tracked.name,
                id=tracked.known_id,
                resume="allow",
                settings=wandb.Settings(console="off"),
            )
        except wandb.Error as error:
            advice = "log in, or set WANDB_MODE=offline"
            raise tracked.refusal(error, advice) from error
        tracked.remember(self.run.id)
        # W&B's own steps cannot go back to a checkpoint
        self.run.define_metric("*", step_metric="step")

    def show_settings(self, settings: Mapping[str, Setting]) -> None:
        """Fill the run's configuration."""
        self.run.config.update(dict(settings), allow_val_change=True)

    def show_numbers(self, step: int, values: Mapping[str, float]) -> None:
        """Add a point to the curve of each name."""
        self.run.log({"step": step, **values})

    def show_text(self, step: int, name: str, text: str) -> None:
        """Show a text as a table of one line."""
        table = self.wandb.Table(columns=["step", "text"], data=[[step, text]])
        self.run.log({"step": step, name: table})

    def show_audio(self, step: int, name: str, signal: Tensor, caption: str) -> None:
        """Offer an utterance with its caption."""
        sound = self.wandb.Audio(signal.numpy(), SAMPLE_RATE, caption)
        self.run.log({"step": step, name: sound})

    def close(self) -> None:
        """Write and upload the remaining entries."""
        self.run.finish()
