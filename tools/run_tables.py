"""Tables of trained models and their comparisons."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tools.tables import Row, Table, difference, hardware, interval, link


def _run_rows(path: Path, root: Path) -> Iterator[Row]:
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
            hardware(result["hardware"]),
            link(path, root),
        ]


def _decoding_rows(path: Path, root: Path) -> Iterator[Row]:
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
                link(path, root),
            ]


def _comparison_rows(path: Path, root: Path) -> Iterator[Row]:
    comparison = json.loads(path.read_text(encoding="utf-8"))
    systems = {system["name"]: system for system in comparison["systems"]}
    for trial in comparison["trials"]:
        if trial["decoding"] != "greedy":
            continue
        for score in trial["scores"]:
            system = systems[score["system"]]
            yield [
                link(path, root),
                trial["split"],
                system["name"],
                f"{system['parameters'] / 1e6:.2f} M",
                str(len(system["runs"])),
                interval(score["wer"], score["seed_interval"]),
                f"{score['cer']:.2f}",
                f"{system['steps_a_second']:.2f}",
            ]


def _method_rows(path: Path, root: Path) -> Iterator[Row]:
    study = json.loads(path.read_text(encoding="utf-8"))
    # none in a comparison's runs
    for name, method in study.get("methods", {}).items():
        yield [
            link(path, root),
            name,
            f"{method['wer']:.2f}",
            difference(method["difference"], method["interval"]),
            f"{method['p_value']:.4f}",
            f"{method['worst_rise']:+.2f}, {method['worst']}",
            f"{method['wall_s']:.0f}",
            str(method["kept_unadapted"]),
        ]


def _subject(result: Mapping[str, Any]) -> tuple[str, str, str]:
    recipe = result["recipe"].rpartition("/")[2]
    return result["dataset"], recipe, result["model"]


def _error_rate(metrics: Mapping[str, Any]) -> str:
    return interval(metrics["wer"], metrics["wer_interval"]) if "wer" in metrics else ""


RUNS = Table(
    (
        *("dataset", "recipe", "model", "parameters", "split"),
        *("WER greedy [95 %]", "WER beam + n-gram [95 %]", "RTF greedy"),
        *("hardware", "run"),
    ),
    "*/result.json",
    _run_rows,
    "No results yet: `make demo` measures some.",
)
"""A row for each split of each run."""

DECODINGS = Table(
    (
        *("dataset", "recipe", "model", "split", "decoding", "WER [95 %]"),
        *("oracle WER", "RTF", "run"),
    ),
    "*/result.json",
    _decoding_rows,
    "No run was decoded in several ways yet.",
)
"""A row for each decoding of each split, of runs that were decoded in several ways."""

COMPARISONS = Table(
    (
        *("comparison", "split", "system", "parameters", "seeds"),
        *("WER mean [95 % over seeds]", "CER mean", "training steps/s"),
    ),
    "*/compare.json",
    _comparison_rows,
    "No systems were compared yet: `make compare` does it.",
)
"""A row for each system on each split, by greedy error rates."""

METHODS = Table(
    (
        *("study", "method", "WER mean", "difference [95 %]", "p"),
        *("worst rise", "seconds", "kept unadapted"),
    ),
    "*/*/result.json",
    _method_rows,
    "Nothing was measured yet.",
)
"""A row for each method of each study of test-time training."""
