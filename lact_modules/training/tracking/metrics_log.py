"""Where training writes its numbers: one JSON object a line, and to trackers."""

import json
import logging
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from lact_modules.training.tracking.trackers import Tracker, make_trackers

logger = logging.getLogger(__name__)


class MetricsLog:
    """Append metrics to ``metrics.jsonl``, and show them in trackers.

    A tracker that fails is dropped with a warning: no training stops for it.
    """

    def __init__(self, folder: str | Path, trackers: Sequence[Tracker] = ()):
        self.path = Path(folder) / "metrics.jsonl"
        self.trackers = list(trackers)

    def log(self, split: str, step: int, epoch: float, **values: float) -> None:
        """Write values of a split, ``train`` or ``dev``, after an optimizer step."""
        finite = {k: float(v) for k, v in values.items() if math.isfinite(v)}
        entry = {"step": step, "epoch": round(epoch, 4), "split": split, **finite}
        with open(self.path, "a", encoding="utf-8") as stream:
            stream.write(json.dumps(entry) + "\n")
        shown = {f"{split}/{name}": value for name, value in finite.items()}
        self._show(lambda tracker: tracker.show_numbers(step, shown))

    def size(self) -> int:
        """Return the bytes of the file."""
        return self.path.stat().st_size if self.path.exists() else 0

    def cut(self, size: int) -> None:
        """Remove entries that were written after the file had so many bytes."""
        if self.size() > size:
            os.truncate(self.path, size)

    def show_text(self, step: int, name: str, text: str) -> None:
        """Show a text in the trackers."""
        self._show(lambda tracker: tracker.show_text(step, name, text))

    def show_audio(self, step: int, name: str, signal: Tensor, caption: str) -> None:
        """Offer an utterance (N,) at 16 kHz in the trackers."""
        signal = signal.detach().float().cpu()
        self._show(lambda tracker: tracker.show_audio(step, name, signal, caption))

    def close(
        self, step: int, results: Mapping[str, Mapping[str, Mapping[str, Any]]]
    ) -> None:
        """Show what tests measured, by split and decoding, and close the trackers."""
        shown = {
            f"{split}/{decoding}/{name}": float(value)
            for split, decodings in results.items()
            for decoding, metrics in decodings.items()
            for name, value in metrics.items()
            if isinstance(value, int | float)
        }
        self._show(lambda tracker: tracker.show_numbers(step, shown))
        self._show(lambda tracker: tracker.close())

    def _show(self, call: Callable[[Tracker], None]) -> None:
        for tracker in list(self.trackers):
            try:
                call(tracker)
            # a server that is gone, a full disk: trackers raise whatever they like
            except Exception as error:
                self.trackers.remove(tracker)
                name = type(tracker).__name__
                logger.warning("%s fails (%s); continuing without it", name, error)


def open_log(
    output_folder: str | Path,
    trackers: str | Sequence[str],
    settings: Mapping[str, Any],
) -> MetricsLog:
    """Open the log of a run, or continue; trackers show what of settings is plain."""
    shown_by = make_trackers(trackers, output_folder, settings)
    return MetricsLog(output_folder, shown_by)
