"""What a run knows of itself, kept in its checkpoints."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lact_modules.errors import InputError
from lact_modules.training.batch.batching import MicroBatches
from lact_modules.training.checkpointing.history import OptionHistory
from lact_modules.training.checkpointing.progress import EpochProgress
from lact_modules.training.tracking.metrics_log import MetricsLog


@dataclass
class RunState:
    """What a run knows of itself, beside its model and SpeechBrain's counts."""

    history: OptionHistory
    log: MetricsLog | None
    progress: EpochProgress = field(default_factory=EpochProgress)
    wall_s: float = 0.0
    micro_batches: MicroBatches | None = None

    def append_to(self, path: str | Path, epoch: float) -> None:
        """Write it at the end of the YAML file that SpeechBrain's Brain has written."""
        state: dict[str, Any] = {
            "training_wall_s": self.wall_s,
            "progress": self.progress.state(),
            "epoch": epoch,
            **self.history.state(),
            "log_size": self.log.size() if self.log else None,
        }
        if self.micro_batches is not None:
            state["num_halvings"] = self.micro_batches.num_halvings
        with open(path, "a", encoding="utf-8") as stream:
            stream.write(yaml.dump(state))

    def read(self, path: str | Path, end_of_epoch: bool) -> None:
        """Continue from the file; later entries of the log are removed."""
        with open(path, encoding="utf-8") as stream:
            state = yaml.safe_load(stream)
        self.wall_s = state["training_wall_s"]
        self.history.load(state)
        if not end_of_epoch and "progress" not in state:
            raise InputError(
                f"{Path(path).parent}: an older version has saved it within an epoch; "
                "delete it to continue from the end of the epoch before"
            )
        if not end_of_epoch:
            self.progress.load(state["progress"])
        if self.log and state.get("log_size") is not None:
            self.log.cut(state["log_size"])
        if self.micro_batches is not None:
            self.micro_batches.num_halvings = state.get("num_halvings", 0)
