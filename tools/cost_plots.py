"""Plots of what encoders cost."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from lact_modules.whole_file import whole_file
from tools.cost_tables import (
    ENCODERS,
    NOTHING,
    PASSES,
    PATTERN,
    Cost,
    describe,
    is_study,
    mebibytes,
    median_s,
    read_study,
)


@dataclass(frozen=True)
class Plot:
    """A picture of the latest study, on as few threads as it was made.

    Arguments
    ---------
    name : str
        SVG file beside the document that shows it.
    label : str
        What is drawn, with its unit.
    value : Callable[[Cost], float]
        Returns it.
    """

    name: str
    label: str
    value: Callable[[Cost], float]

    def render(self, results: Path) -> str:
        """Show the picture in Markdown, or a note that there is none.

        Arguments
        ---------
        results : Path
            Folder of results.

        Returns
        -------
        str
            Markdown.
        """
        drawn = _latest(results)
        if drawn is None:
            return NOTHING
        alt = f"{self.label} by the length of the speech; {describe(read_study(drawn))}"
        return f"![{alt}]({self.name})"

    def draw(self, results: Path, folder: Path, check: bool = False) -> bool:
        """Draw the picture, unless it shows the latest study already.

        Arguments
        ---------
        results : Path
            Folder of results.
        folder : Path
            Where the picture stands.
        check : bool
            Draw nothing.

        Returns
        -------
        bool
            Whether it was current.
        """
        drawn, path = _latest(results), folder / self.name
        if drawn is None:
            return True
        # versions of matplotlib draw the same numbers in other bytes
        source = hashlib.sha256(drawn.read_bytes()).hexdigest()
        if path.is_file() and source in path.read_text(encoding="utf-8"):
            return True
        if not check:
            with (
                matplotlib.rc_context(
                    {"svg.hashsalt": self.name, "svg.fonttype": "none"}
                ),
                whole_file(path) as unfinished,
            ):
                self._figure(read_study(drawn)).savefig(
                    unfinished, format="svg", metadata={"Date": None, "Source": source}
                )
        return False

    def _figure(self, study: Mapping[str, Any]) -> Figure:
        figure = Figure(figsize=(9, 4), layout="constrained")
        for axes, kind in zip(figure.subplots(1, 2), PASSES, strict=True):
            for system in study["systems"]:
                found = sorted(
                    (each["seconds"], self.value(each))
                    for each in study["costs"]
                    if (each["system"], each["pass"], each["batch"])
                    == (system, kind, 1)
                )
                if found:
                    axes.loglog(*zip(*found, strict=True), marker="o", label=system)
            axes.set(title=kind, xlabel="seconds of speech", ylabel=self.label)
            axes.grid(alpha=0.3, which="both")
            axes.spines[["top", "right"]].set_visible(False)
        figure.axes[0].legend(frameon=False)
        return figure


def _latest(results: Path) -> Path | None:
    """Find the study that is drawn."""
    found = {path: read_study(path) for path in sorted(results.glob(PATTERN))}
    studies = {
        path: study for path, study in found.items() if is_study(study, ENCODERS)
    }
    days = {path: study["date"][:10] for path, study in studies.items()}
    of_last = [path for path, day in days.items() if day == max(days.values())]
    threads = {path: studies[path]["hardware"]["threads"] for path in of_last}
    return min(threads, key=lambda path: threads[path], default=None)


TIME_PLOT = Plot("performance_time.svg", "seconds of computing", median_s)
MEMORY_PLOT = Plot("performance_memory.svg", "MiB", mebibytes)
