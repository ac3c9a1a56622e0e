"""Tables of Markdown, and what all of them have in common."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

Row = Sequence[str]


class Rendered(Protocol):
    """What is put into a document."""

    def render(self, results: Path) -> str:
        """Return Markdown, made of a folder of results."""


@dataclass(frozen=True)
class Table:
    """A kind of table, made of files in a folder of results.

    Arguments
    ---------
    header : Row
        Names of its columns.
    pattern : str
        Pattern of the files with its rows, as in `Path.glob`.
    rows : Callable[[Path, Path], Iterator[Row]]
        Returns the rows of a file; called with it and the folder that links begin in.
    empty : str
        What stands there if there are no rows.
    """

    header: Row
    pattern: str
    rows: Callable[[Path, Path], Iterator[Row]]
    empty: str

    def render(self, results: Path) -> str:
        """Lay the rows of all files out as lines of Markdown.

        Arguments
        ---------
        results : Path
            Folder of results.

        Returns
        -------
        str
            The table, or the text for no rows.
        """
        paths = sorted(results.glob(self.pattern))
        rows = [row for path in paths for row in self.rows(path, results.parent)]
        if not rows:
            return self.empty
        return lay_out(self.header, rows)


def lay_out(header: Row, rows: Sequence[Row]) -> str:
    """Lay a header and rows out as a table in Markdown.

    >>> print(lay_out(["a", "b"], [["1", "2"]]))
    | a | b |
    | --- | --- |
    | 1 | 2 |
    """
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def link(path: Path, root: Path, name: str | None = None) -> str:
    """Link the folder of a file, from a document in a folder such as docs.

    Arguments
    ---------
    path : Path
        Of the file.
    root : Path
        Folder above `results`.
    name : str | None
        What it is called; None for the folder's name.

    Returns
    -------
    str
        Markdown.

    Example
    -------
    >>> link(Path("a/results/run/result.json"), Path("a"))
    '[run](../results/run)'
    """
    folder = path.parent
    return f"[{name or folder.name}](../{folder.relative_to(root).as_posix()})"


def interval(value: float, bounds: Sequence[float] | None) -> str:
    """Write a rate in percent with its interval, if there is one.

    >>> interval(2.375, [-1, 3.25])
    '2.38 [0.00, 3.25]'
    """
    if bounds is None:
        return f"{value:.2f}"
    # a rate is not negative, even if few seeds allow it
    return f"{value:.2f} [{max(bounds[0], 0):.2f}, {bounds[1]:.2f}]"


def difference(value: float, bounds: Sequence[float]) -> str:
    """Write a difference with its interval.

    >>> difference(-1.5, [-2, -1])
    '-1.50 [-2.00, -1.00]'
    """
    return f"{value:+.2f} [{bounds[0]:+.2f}, {bounds[1]:+.2f}]"


def hardware(described: Mapping[str, Any]) -> str:
    """Describe the hardware."""
    return described["gpu"] or f"{described['threads']} threads, {described['cpu']}"
