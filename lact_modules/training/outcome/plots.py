"""Learning curves of a run, as pictures."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lact_modules.errors import InputError
from lact_modules.whole_file import whole_file

Curves = dict[str, dict[int, dict[str, Any]]]
"""By split and step, what was logged there."""


def plot_learning_curves(log: str | Path, folder: str | Path) -> list[Path]:
    """Draw loss, error rates and learning rate against the optimizer's steps, as PNG.

    A run that was killed and resumed has logged some steps twice, or half a line: the
    later entry of a step counts, and a broken line is skipped. What nothing was logged
    for is not drawn.
    """
    curves = read_log(log)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {
        "loss.png": _draw(curves, {"loss": "{split}"}, "loss"),
        "wer.png": _draw(
            curves, {"wer": "{split} WER", "cer": "{split} CER"}, "error rate (%)"
        ),
        "learning_rate.png": _draw(curves, {"lr": "{split}"}, "learning rate"),
    }
    written = []
    for name, figure in pictures.items():
        if figure is not None:
            with whole_file(folder / name) as unfinished:
                figure.savefig(unfinished, dpi=150, format="png")
            written.append(folder / name)
    return written


def read_log(log: str | Path) -> Curves:
    """Read ``metrics.jsonl`` by split and step; the last entry of a step counts."""
    log = Path(log)
    if not log.is_file():
        raise InputError(f"{log}: no such log; it is written by training")
    curves: Curves = {}
    for line in log.read_text(encoding="utf-8").splitlines():
        try:
            entry = json.loads(line)
            curves.setdefault(entry["split"], {})[entry["step"]] = entry
        except (json.JSONDecodeError, KeyError, TypeError):
            continue
    if not curves:
        raise InputError(f"{log}: holds no measurement; train for some steps first")
    return curves


def _draw(curves: Curves, labels: Mapping[str, str], unit: str) -> Figure | None:
    """Draw the named quantities of all splits into one picture, if any was logged."""
    # without pyplot there is no global state and no display to open
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot(xlabel="step", ylabel=unit)
    for split, entries in curves.items():
        for key, label in labels.items():
            points = [(step, entries[step].get(key)) for step in sorted(entries)]
            known = [(step, value) for step, value in points if value is not None]
            if known:
                _draw_curve(axes, known, label.format(split=split))
    if not axes.lines:
        return None
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _draw_curve(axes: Axes, points: list[tuple[int, float]], label: str) -> None:
    # a curve of few points, such as validation, shows where it was measured
    marker = "o" if len(points) <= 50 else None
    axes.plot(*zip(*points, strict=True), label=label, marker=marker, markersize=3)
