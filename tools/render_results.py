"""Render the README's results table from ``results/*/result.json``."""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BEGIN = "<!-- results:begin -->"
END = "<!-- results:end -->"
HEADER = (
    "dataset",
    "model",
    "parameters",
    "split",
    "WER greedy [95 %]",
    "WER beam + n-gram [95 %]",
    "RTF greedy",
    "hardware",
    "run",
)


def render_table(results: Path) -> str:
    """Lay out all results as a Markdown table, a row for each split of each run.

    Arguments
    ---------
    results : Path
        Folder whose subfolders hold a ``result.json``.

    Returns
    -------
    str
        Lines of Markdown, or a sentence if there are no results.
    """
    rows = [
        row
        for path in sorted(results.glob("*/result.json"))
        for row in _rows(path, results.parent)
    ]
    if not rows:
        return "No results yet: `make demo` measures some."
    lines = [HEADER, ["---"] * len(HEADER), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _rows(path: Path, root: Path) -> Iterator[list[str]]:
    result = json.loads(path.read_text(encoding="utf-8"))
    folder = path.parent
    for split, decodings in result["metrics"].items():
        greedy = decodings.get("greedy", {})
        yield [
            result["dataset"],
            result["model"],
            f"{result['parameters'] / 1e6:.1f} M",
            split,
            _error_rate(greedy),
            _error_rate(decodings.get("beam+lm", {})),
            f"{greedy['rtf']:.4f}" if "rtf" in greedy else "",
            _hardware(result["hardware"]),
            f"[{folder.name}]({folder.relative_to(root).as_posix()})",
        ]


def _error_rate(metrics: Mapping[str, Any]) -> str:
    if not metrics:
        return ""
    low, high = metrics["wer_interval"]
    return f"{metrics['wer']:.2f} [{low:.2f}, {high:.2f}]"


def _hardware(hardware: Mapping[str, Any]) -> str:
    return hardware["gpu"] or f"{hardware['threads']} threads, {hardware['cpu']}"


def insert_table(document: str, table: str) -> str:
    """Replace what stands between the markers.

    Arguments
    ---------
    document : str
        Markdown with both markers.
    table : str
        What to put there.

    Returns
    -------
    str
        The document with the table.

    Raises
    ------
    SystemExit
        If a marker is missing.
    """
    head, begin, rest = document.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"README: wants {BEGIN} and {END} around the results")
    return f"{head}{BEGIN}\n{table}\n{END}{tail}"


def main() -> None:
    """Write the README's table, or with ``--check`` tell whether it is up to date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readme", type=Path, default=ROOT / "README.md")
    parser.add_argument("--results", type=Path, default=ROOT / "results")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail if it is stale"
    )
    arguments = parser.parse_args()
    document = arguments.readme.read_text(encoding="utf-8")
    rendered = insert_table(document, render_table(arguments.results))
    if arguments.check and rendered != document:
        sys.exit(f"{arguments.readme.name}: results are stale; run `make results`")
    if rendered != document:
        arguments.readme.write_text(rendered, encoding="utf-8")


if __name__ == "__main__":
    main()
