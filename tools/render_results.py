"""Render the tables of README and docs from what ``results/`` holds."""

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
METHODS_HEADER = (
    "study",
    "method",
    "WER mean",
    "difference [95 %]",
    "p",
    "worst rise",
    "seconds",
    "kept unadapted",
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


def render_methods(results: Path) -> str:
    """Lay out studies of test-time training.

    Arguments
    ---------
    results : Path
        Folder whose subfolders hold studies, a ``result.json`` each.

    Returns
    -------
    str
        A Markdown table, a row for each method of each study, or a sentence if there
        are none.
    """
    paths = sorted(results.glob("*/*/result.json"))
    rows = [row for path in paths for row in _method_rows(path, results.parent)]
    if not rows:
        return "Nothing was measured yet."
    return _lay_out(METHODS_HEADER, rows)


TABLES = {
    "README.md": {
        "results": render_table,
        "comparisons": render_comparisons,
        "decodings": render_decodings,
    },
    "docs/test_time_training.md": {"methods": render_methods},
}
"""What stands where, by document and name."""


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


def _method_rows(path: Path, root: Path) -> Iterator[list[str]]:
    study = json.loads(path.read_text(encoding="utf-8"))
    # none in a comparison's runs
    for name, method in study.get("methods", {}).items():
        low, high = method["interval"]
        yield [
            f"[{study['study']}](../{path.parent.relative_to(root).as_posix()})",
            name,
            f"{method['wer']:.2f}",
            f"{method['difference']:+.2f} [{low:+.2f}, {high:+.2f}]",
            f"{method['p_value']:.4f}",
            f"{method['worst_rise']:+.2f}, {method['worst']}",
            f"{method['wall_s']:.0f}",
            str(method["kept_unadapted"]),
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
    """Write a document's tables; with `check` only tell whether they are current."""
    document = path.read_text(encoding="utf-8")
    rendered = document
    try:
        for table, render in TABLES[name].items():
            rendered = insert_table(rendered, table, render(results))
    except ValueError as error:
        sys.exit(f"{path}: {error}")
    if not check and rendered != document:
        path.write_text(rendered, encoding="utf-8")
    return rendered == document


def main() -> None:
    """Write the tables, or with ``--check`` tell whether they are current."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--root", type=Path, default=ROOT, help="folder of README.md, docs and results"
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
    stale = [name for name, current in is_current.items() if not current]
    if check and stale:
        sys.exit(f"{', '.join(stale)}: results are stale; run `make results`")


if __name__ == "__main__":
    main()
