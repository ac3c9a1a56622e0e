"""Where training writes its numbers: one JSON object a line, and TensorBoard."""

import json
import math
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter


class MetricsLog:
    r"""Append metrics to ``metrics.jsonl`` and to TensorBoard's event files.

    Arguments
    ---------
    folder : str | Path
        Of the run; events go into its ``tensorboard`` folder.

    Example
    -------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> MetricsLog(folder).log("train", step=1, epoch=0.5, loss=3.25)
    >>> (folder / "metrics.jsonl").read_text()
    '{"step": 1, "epoch": 0.5, "split": "train", "loss": 3.25}\n'
    """

    def __init__(self, folder: str | Path):
        self.path = Path(folder) / "metrics.jsonl"
        self.writer = SummaryWriter(Path(folder) / "tensorboard")

    def log(self, split: str, step: int, epoch: float, **values: float) -> None:
        """Write values of a split, ``train`` or ``dev``, after an optimizer step."""
        finite = {k: float(v) for k, v in values.items() if math.isfinite(v)}
        entry = {"step": step, "epoch": round(epoch, 4), "split": split, **finite}
        with open(self.path, "a", encoding="utf-8") as stream:
            stream.write(json.dumps(entry) + "\n")
        for name, value in finite.items():
            self.writer.add_scalar(f"{split}/{name}", value, step)
        self.writer.flush()
