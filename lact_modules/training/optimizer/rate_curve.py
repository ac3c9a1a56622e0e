"""What a learning-rate range test has found: losses by rate, and rates to train at."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from lact_modules.errors import InputError
from lact_modules.whole_file import whole_file, write_whole

FEWEST = 10
"""Least steps of a useful curve."""

# of the steps: as wide as they are averaged over
_WIDTH = 1 / 40
# from the lowest loss to a rate that is safe, as fastai's lr_find has it
_BELOW_LOWEST = 10


def rising_rates(low: float, high: float, num_steps: int) -> list[float]:
    """Return rates that rise by the same factor from `low`, above 0, to `high`."""
    rates: list[float] = np.geomspace(low, high, num_steps).tolist()
    return rates


class RateCurve(NamedTuple):
    """Losses of a training whose learning rate rises (arXiv 1506.01186, sec. 3.3)."""

    rates: Sequence[float]
    losses: Sequence[float]

    @property
    def smooth(self) -> NDArray[np.float64]:
        """The losses, averaged over their neighbours on both sides."""
        width = max(1.0, _WIDTH * len(self.losses))
        averaged: NDArray[np.float64] = gaussian_filter1d(
            np.asarray(self.losses, dtype=np.float64), width, mode="nearest"
        )
        return averaged

    @property
    def lowest(self) -> float:
        """Rate at which the loss is lowest."""
        return self.rates[int(self.smooth.argmin())]

    @property
    def steepest(self) -> float | None:
        """Rate at which the loss falls fastest; None if it never falls."""
        smooth = self.smooth
        end = int(smooth.argmin()) + 1
        slopes = np.gradient(smooth, np.log(self.rates))[:end]
        return self.rates[int(slopes.argmin())] if slopes.min() < 0 else None

    @property
    def suggestion(self) -> float | None:
        """Peak rate to train at, of two digits; None if the loss never falls.

        It is a tenth of `lowest`, or `steepest` if that is higher.
        """
        if self.steepest is None:
            return None
        return float(f"{max(self.steepest, self.lowest / _BELOW_LOWEST):.1e}")

    @property
    def still_falls(self) -> bool:
        """Whether the loss is lowest at the highest rate, or nearly so."""
        return bool(self.smooth.argmin() >= 0.98 * (len(self.losses) - 1))


def check_curve(curve: RateCurve) -> None:
    """Refuse a curve that is too short to be useful: the loss diverged at once."""
    if len(curve.losses) < FEWEST:
        raise InputError(
            f"--find_lr: the loss diverged within {len(curve.losses)} steps; set a "
            "lower find_lr_range, or check the data"
        )


def write_curve(curve: RateCurve, path: str | Path) -> None:
    """Write a curve, and what it suggests, as JSON."""
    content = {
        "suggestion": curve.suggestion,
        "steepest": curve.steepest,
        "lowest": curve.lowest,
        "learning_rates": [*curve.rates],
        "losses": [*curve.losses],
        "smooth_losses": curve.smooth.tolist(),
    }
    write_whole(path, json.dumps(content, indent=2) + "\n")


def draw_curve(curve: RateCurve, path: str | Path) -> None:
    """Draw losses against the learning rate, and where the suggestion lies, as SVG."""
    # without pyplot there is no global state and no display to open
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot(xlabel="learning rate", ylabel="loss", xscale="log")
    axes.plot(curve.rates, curve.losses, alpha=0.3, label="each step")
    axes.plot(curve.rates, curve.smooth, label="smoothed")
    if curve.suggestion is not None:
        label = f"suggestion: {curve.suggestion:g}"
        axes.axvline(curve.suggestion, color="black", linestyle=":", label=label)
    # where the loss blows up, the rest would be too flat to see
    top, bottom = curve.smooth[0], curve.smooth.min()
    axes.set_ylim(bottom - 0.1 * (top - bottom), top + 0.5 * (top - bottom) or None)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    with whole_file(path) as unfinished:
        figure.savefig(unfinished, format="svg", metadata={"Date": None})
