"""Render the tables and plots of documents from what ``results/`` holds.

python -m tools.render_results
"""

import argparse
import sys
from pathlib import Path

from lact_modules.whole_file import write_whole
from tools import (
    chunking_tables,
    cost_plots,
    cost_tables,
    onnx_tables,
    recall_tables,
    run_tables,
    streaming_tables,
    summary_table,
)
from tools.tables import Rendered

ROOT = Path(__file__).resolve().parents[1]
TABLES: dict[str, dict[str, Rendered]] = {
    "README.md": {"summary": summary_table.SUMMARY},
    "results/README.md": {
        "results": run_tables.RUNS,
        "comparisons": run_tables.COMPARISONS,
        "decodings": run_tables.DECODINGS,
    },
    "docs/test_time_training.md": {"methods": run_tables.METHODS},
    "docs/dynamic_chunking.md": {
        "words": chunking_tables.WORDS,
        "time": chunking_tables.TIME,
        "even-time": chunking_tables.EVEN_TIME,
    },
    "docs/fast_weights.md": {
        "recall": recall_tables.RECALL,
        "permutation": recall_tables.PERMUTATION,
        "by-minute": recall_tables.BY_MINUTE,
    },
    "docs/performance.md": {
        "ratios": cost_tables.RATIOS,
        "time": cost_tables.TIME,
        "time-plot": cost_plots.TIME_PLOT,
        "memory": cost_tables.MEMORY,
        "memory-plot": cost_plots.MEMORY_PLOT,
        "choices": cost_tables.CHOICES,
        "onnx": onnx_tables.SPEED,
    },
    "docs/onnx.md": {"speed": onnx_tables.SPEED},
    "docs/streaming.md": {
        "latency": streaming_tables.LATENCY,
        "memory": streaming_tables.MEMORY,
        "pieces": streaming_tables.PIECES,
        "hours": streaming_tables.HOURS,
        "serving": streaming_tables.SERVING,
        "pauses": streaming_tables.PAUSES,
    },
}
"""What stands where, by document and name."""

PLOTS = {"docs": (cost_plots.TIME_PLOT, cost_plots.MEMORY_PLOT)}
"""Pictures, by folder."""


def insert_table(document: str, name: str, table: str) -> str:
    r"""Replace what stands between the markers of a table.

    Arguments
    ---------
    document : str
        Markdown with ``<!-- name:begin -->`` and ``<!-- name:end -->``.
    name : str
        Of the table.
    table : str
        What to put there.

    Returns
    -------
    str
        The document with the table.

    Raises
    ------
    ValueError
        If a marker is missing.

    Example
    -------
    >>> insert_table("<!-- a:begin --> old <!-- a:end -->", "a", "new")
    '<!-- a:begin -->\nnew\n<!-- a:end -->'
    """
    first, last = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    head, begin, rest = document.partition(first)
    _, end, tail = rest.partition(last)
    if not (begin and end):
        raise ValueError(f"wants {first} and {last} around the {name}")
    return f"{head}{begin}\n{table}\n{end}{tail}"


def render_document(path: Path, name: str, results: Path, check: bool) -> bool:
    """Write a document's tables; with `check` only check whether they are current."""
    document = path.read_text(encoding="utf-8")
    rendered = document
    try:
        for marker, table in TABLES[name].items():
            rendered = insert_table(rendered, marker, table.render(results))
    except ValueError as error:
        sys.exit(f"{path}: {error}")
    if not check and rendered != document:
        write_whole(path, rendered)
    return rendered == document


def main() -> None:
    """Write tables and plots, or with ``--check`` check whether they are current."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--root", type=Path, default=ROOT, help="folder of docs and results"
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail if one is stale"
    )
    arguments = parser.parse_args()
    root, check = arguments.root, arguments.check
    is_current = {
        name: render_document(root / name, name, root / "results", check)
        for name in TABLES
    }
    for folder, plots in PLOTS.items():
        for plot in plots:
            name = f"{folder}/{plot.name}"
            is_current[name] = plot.draw(root / "results", root / folder, check)
    stale = [name for name, current in is_current.items() if not current]
    if check and stale:
        sys.exit(f"{', '.join(stale)}: results are stale; run `make results`")


if __name__ == "__main__":
    main()
