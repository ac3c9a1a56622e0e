"""Render the README's tables from ``results/*/result.json`` and ``compare.json``."""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
HEADER = (
    "dataset",
    "recipe",
    "model",
    "parameters",
    "split",
    "WER greedy [95 %]",
    "WER beam + n-gram [95 %]",
    "RTF greedy",
    "hardware",
    "run",
)
DECODINGS_HEADER = (
    "dataset",
    "recipe",
    "model",
    "split",
    "decoding",
    "WER [95 %]",
    "oracle WER",
    "RTF",
    "run",
)
COMPARISONS_HEADER = (
    "comparison",
    "split",
    "arm",
    "parameters",
    "seeds",
    "WER mean [95 % over seeds]",
    "CER mean",
    "training steps/s",
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
    rows = [row for path in _paths(results) for row in _rows(path, results.parent)]
    if not rows:
        return "No results yet: `make demo` measures some."
    return _lay_out(HEADER, rows)


def render_decodings(results: Path) -> str:
    """Lay out the decodings of runs that were decoded in several ways.

    Arguments
    ---------
    results : Path
        Folder whose subfolders hold a ``result.json``.

    Returns
    -------
    str
        A Markdown table, a row for each decoding of each split, or a sentence if
        there are none.
    """
    rows = [
        row for path in _paths(results) for row in _decoding_rows(path, results.parent)
    ]
    if not rows:
        return "No run was decoded in several ways yet."
    return _lay_out(DECODINGS_HEADER, rows)


def render_comparisons(results: Path) -> str:
    """Lay out comparisons of arms by their greedy error rates.

    Arguments
    ---------
    results : Path
        Folder whose subfolders hold what ``lact-asr compare`` wrote.

    Returns
    -------
    str
        A Markdown table, a row for each arm on each split, or a sentence if there
        are none.
    """
    paths = sorted(results.glob("*/compare.json"))
    rows = [row for path in paths for row in _comparison_rows(path, results.parent)]
    if not rows:
        return "No arms were compared yet: `make compare` does it."
    return _lay_out(COMPARISONS_HEADER, rows)


TABLES = {
    "results": render_table,
    "comparisons": render_comparisons,
    "decodings": render_decodings,
}


def _paths(results: Path) -> list[Path]:
    return sorted(results.glob("*/result.json"))


def _comparison_rows(path: Path, root: Path) -> Iterator[list[str]]:
    comparison = json.loads(path.read_text(encoding="utf-8"))
    arms = {arm["name"]: arm for arm in comparison["arms"]}
    for trial in comparison["trials"]:
        if trial["decoding"] != "greedy":
            continue
        for score in trial["scores"]:
            arm = arms[score["arm"]]
            yield [
                _link(path, root),
                trial["split"],
                arm["name"],
                f"{arm['parameters'] / 1e6:.2f} M",
                str(len(arm["runs"])),
                _interval(score["wer"], score["seed_interval"]),
                f"{score['cer']:.2f}",
                f"{arm['steps_a_second']:.2f}",
            ]


def _lay_out(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _rows(path: Path, root: Path) -> Iterator[list[str]]:
    result = json.loads(path.read_text(encoding="utf-8"))
    for split, decodings in result["metrics"].items():
        greedy = decodings.get("greedy", {})
        yield [
            *_subject(result),
            f"{result['parameters'] / 1e6:.1f} M",
            split,
            _error_rate(greedy),
            _error_rate(decodings.get("beam+lm", {})),
            f"{greedy['rtf']:.4f}" if "rtf" in greedy else "",
            _hardware(result["hardware"]),
            _link(path, root),
        ]


def _decoding_rows(path: Path, root: Path) -> Iterator[list[str]]:
    result = json.loads(path.read_text(encoding="utf-8"))
    for split, decodings in result["metrics"].items():
        if len(decodings) < 2:
            continue
        for name, metrics in decodings.items():
            yield [
                *_subject(result),
                split,
                name,
                _error_rate(metrics),
                f"{metrics['oracle_wer']:.2f}" if "oracle_wer" in metrics else "",
                f"{metrics['rtf']:.4f}" if "rtf" in metrics else "",
                _link(path, root),
            ]


def _subject(result: Mapping[str, Any]) -> tuple[str, str, str]:
    recipe = result["recipe"].rpartition("/")[2]
    return result["dataset"], recipe, result["model"]


def _link(path: Path, root: Path) -> str:
    folder = path.parent
    return f"[{folder.name}]({folder.relative_to(root).as_posix()})"


def _error_rate(metrics: Mapping[str, Any]) -> str:
    if "wer" not in metrics:
        return ""
    return _interval(metrics["wer"], metrics["wer_interval"])


def _interval(value: float, bounds: Sequence[float] | None) -> str:
    if bounds is None:
        return f"{value:.2f}"
    # a rate is not negative, whatever few seeds allow
    return f"{value:.2f} [{max(bounds[0], 0):.2f}, {bounds[1]:.2f}]"


def _hardware(hardware: Mapping[str, Any]) -> str:
    return hardware["gpu"] or f"{hardware['threads']} threads, {hardware['cpu']}"


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
    SystemExit
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
        raise SystemExit(f"README: wants {first} and {last} around the {name}")
    return f"{head}{begin}\n{table}\n{end}{tail}"


def main() -> None:
    """Write the README's tables, or with ``--check`` tell whether they are current."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readme", type=Path, default=ROOT / "README.md")
    parser.add_argument("--results", type=Path, default=ROOT / "results")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail if it is stale"
    )
    arguments = parser.parse_args()
    document = arguments.readme.read_text(encoding="utf-8")
    rendered = document
    for name, render in TABLES.items():
        rendered = insert_table(rendered, name, render(arguments.results))
    if arguments.check and rendered != document:
        sys.exit(f"{arguments.readme.name}: results are stale; run `make results`")
    if rendered != document:
        arguments.readme.write_text(rendered, encoding="utf-8")


if __name__ == "__main__":
    main()
