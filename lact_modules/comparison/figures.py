"""Figures of a comparison, as SVG that takes its colors from the page around it."""

import io
import re
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib
import numpy
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter
from numpy.typing import NDArray

from lact_modules.comparison.compare import Trial
from lact_modules.comparison.runs import Run, System
from lact_modules.comparison.speed import SpeedCurve

# A page has as many colors for systems; further systems take them again.
NUM_COLORS = 6

# Stand in a drawn figure for what the page's style sheet decides.
_TEXT, _LINE = "#010203", "#040506"
_SYSTEMS = [f"#0708{index:02x}" for index in range(NUM_COLORS)]
_STYLE_SHEET = {
    _TEXT: "currentColor",
    _LINE: "var(--line)",
    **{color: f"var(--system-{index})" for index, color in enumerate(_SYSTEMS)},
}
_DASHES = ["-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1))]
_MARKERS = ["o", "s", "^", "D", "v", "P"]
_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    # the same drawing has the same names inside
    "svg.hashsalt": "comparison",
    "font.size": 10,
    "text.color": _TEXT,
    "axes.labelcolor": _TEXT,
    "axes.titlecolor": _TEXT,
    "axes.edgecolor": _LINE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": _TEXT,
    "ytick.color": _TEXT,
    "grid.color": _LINE,
}


def draw_scores(trial: Trial) -> str:
    """Draw each system's word error rate: seeds, their mean, and its two intervals.

    Dots are the seeds, a mark the mean, a thick bar the interval over utterances, a
    thin one with ends that over seeds.
    """
    names = [score.system for score in trial.scores]

    def draw(axes: Axes) -> None:
        for place, score in enumerate(trial.scores):
            color = _SYSTEMS[place % NUM_COLORS]
            seeds = list(score.wers.values())
            axes.hlines(place, *score.utterance_interval, color, lw=9, alpha=0.3)
            if score.seed_interval:
                reach = numpy.abs(numpy.subtract(score.seed_interval, score.wer))
                axes.errorbar(
                    score.wer, place, xerr=reach[:, None], color=color, capsize=4
                )
            axes.plot(seeds, [place + 0.28] * len(seeds), ".", color=color, alpha=0.8)
            axes.plot(score.wer, place, _MARKERS[place % NUM_COLORS], color=color)
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlim(left=0)
        axes.set_xlabel("word error rate (%)")
        axes.grid(axis="x", alpha=0.6)

    return _render(draw, (5.5, 0.9 + 0.4 * len(names)))


def draw_curves(
    systems: Sequence[System],
    split: str,
    quantity: str,
    against: str,
    labels: Sequence[str],
) -> str | None:
    """Draw a learning curve for each run, and its mean for each system.

    ``quantity`` and ``against`` are keys of the log, the latter also ``"step"``. None
    if no run has logged that.
    """
    curves = {
        system.name: [_curve(run, split, quantity, against) for run in system.runs]
        for system in systems
    }
    if not any(x.size for one in curves.values() for x, _ in one):
        return None

    def draw(axes: Axes) -> None:
        for place, (name, of_seeds) in enumerate(curves.items()):
            drawn = [(x, _smooth(y)) for x, y in of_seeds if x.size]
            color = _SYSTEMS[place % NUM_COLORS]
            for x, y in drawn if len(drawn) > 1 else []:
                axes.plot(x, y, lw=0.7, alpha=0.45, color=color)
            if drawn:
                x, y = _mean(drawn)
                axes.plot(
                    *(x, y),
                    color=color,
                    ls=_DASHES[place % NUM_COLORS],
                    # where there are few points, they show where was measured
                    marker=_MARKERS[place % NUM_COLORS] if len(x) <= 30 else None,
                    markersize=4,
                    lw=1.8,
                    label=name,
                )
        _decorate(axes, labels)

    return _render(draw, (5, 3.4))


def draw_speed(
    curves: Sequence[SpeedCurve],
    names: Sequence[str],
    quantity: str,
    labels: Sequence[str],
) -> str:
    """Draw speed or memory, a field of `SpeedPoint`, by the length of the audio."""
    places = list(dict.fromkeys([*names, *(curve.name for curve in curves)]))

    def draw(axes: Axes) -> None:
        for curve in curves:
            place = places.index(curve.name) % NUM_COLORS
            axes.plot(
                [point.audio_s for point in curve.points],
                [getattr(point, quantity) for point in curve.points],
                color=_SYSTEMS[place],
                ls=_DASHES[place],
                marker=_MARKERS[place],
                markersize=4,
                label=curve.name,
            )
        _decorate(axes, labels)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())

    return _render(draw, (5, 3.4))


def _curve(
    run: Run, split: str, quantity: str, against: str
) -> tuple[NDArray[numpy.float64], NDArray[numpy.float64]]:
    entries = run.curves.get(split, {})
    points = [
        (entry[against], entry[quantity])
        for _, entry in sorted(entries.items())
        if against in entry and quantity in entry
    ]
    x, y = numpy.array(points, dtype=float).reshape(-1, 2).T
    return x, y


def _smooth(values: NDArray[numpy.float64], most: int = 60) -> NDArray[numpy.float64]:
    """Average over neighbors where there are more points than a figure can show."""
    width = len(values) // most
    if width < 2:
        return values
    kernel = numpy.ones(2 * width + 1)
    known = numpy.convolve(numpy.ones_like(values), kernel, "same")
    return numpy.convolve(values, kernel, "same") / known


def _mean(
    curves: Sequence[tuple[NDArray[numpy.float64], NDArray[numpy.float64]]],
) -> tuple[NDArray[numpy.float64], NDArray[numpy.float64]]:
    """Average curves between the last of their beginnings and the first end."""
    first, last = max(x[0] for x, _ in curves), min(x[-1] for x, _ in curves)
    grid = numpy.unique(numpy.concatenate([x for x, _ in curves]))
    grid = grid[(grid >= first) & (grid <= last)]
    return grid, numpy.mean([numpy.interp(grid, x, y) for x, y in curves], axis=0)


def _decorate(axes: Axes, labels: Sequence[str]) -> None:
    axes.set(xlabel=labels[0], ylabel=labels[1])
    if all(numpy.all(numpy.asarray(line.get_ydata()) > 0) for line in axes.lines):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(alpha=0.6)
    axes.legend(frameon=False)


def _render(draw: Callable[[Axes], None], size: tuple[float, float]) -> str:
    """Draw on axes of that size in inches, and return the SVG element."""
    stream = io.StringIO()
    with matplotlib.rc_context(_SETTINGS):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure.add_subplot())
        unknown = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(stream, format="svg", transparent=True, metadata=unknown)
    svg = stream.getvalue()
    svg = svg[svg.index("<svg") :]
    # names of groups, which would be duplicates in a page of several figures
    svg = re.sub(r' id="[A-Za-z0-9.]+_\d+"', "", svg)
    for drawn, meant in _STYLE_SHEET.items():
        svg = svg.replace(drawn, meant)
    return svg
