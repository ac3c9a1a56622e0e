"""Tables of studies of what mixers remember beyond their window."""

import json
from collections.abc import Iterator
from pathlib import Path
from statistics import mean

from tools.tables import Row, Table, difference, link

NOTHING = "Nothing was measured yet."
ON = "update on"


def _recall_rows(path: Path, root: Path) -> Iterator[Row]:
    study = json.loads(path.read_text(encoding="utf-8"))
    for row in study.get("recall", []):
        yield [
            link(path, root, row["system"]),
            *(str(row[name]) for name in ("pairs", "gap", "length")),
            # earlier studies had neither
            str(row.get("frames", 1)),
            row.get("objective", "frames"),
            f"{100 * row['accuracy']:.1f}",
            " ".join(f"{100 * each:.1f}" for each in row["accuracy_by_seed"]),
            " ".join(map(str, row["steps"])),
            f"{mean(row['cpu_seconds']):.0f}",
            f"{row['parameters'] / 1000:.1f} k",
        ]


def _permutation_rows(path: Path, root: Path) -> Iterator[Row]:
    study = json.loads(path.read_text(encoding="utf-8"))
    for run, rates in study.get("permutation", {}).items():
        plan = study["plan"]
        yield [
            link(path, root, run),
            str(plan["names"]),
            f"{plan['gap']:g}",
            f"{rates['beginning']:.2f}",
            f"{rates['behind_gap']:.2f}",
        ]


def _minute_rows(path: Path, root: Path) -> Iterator[Row]:
    study = json.loads(path.read_text(encoding="utf-8"))
    for system, found in study.get("by_minute", {}).items():
        on = study["by_minute"][ON]["against"].get(system)
        yield [
            link(path, root, study["data"]),
            study["way"],
            system,
            f"{found['wer']:.2f}",
            " ".join(f"{each:.2f}" for each in found["wer_by_run"]),
            f"{100 * found['deletions'] / max(found['n_words'], 1):.2f}",
            " ".join(f"{each['wer']:.2f}" for each in found["minutes"]),
            difference(found["rise"]["wer"], found["rise"]["interval"]),
            "" if on is None else difference(on["wer"], on["interval"]),
        ]


RECALL = Table(
    (
        *("mixer", "pairs", "gap", "length", "frames per token", "objective"),
        *("recalled %", "by seed", "steps by seed", "CPU s", "parameters"),
    ),
    "*/*/result.json",
    _recall_rows,
    NOTHING,
)
"""A row for each mixer and task of ``benchmarks/recall.py``."""

PERMUTATION = Table(
    ("run", "names", "gap s", "WER before the gap", "WER after the gap"),
    "*/*/result.json",
    _permutation_rows,
    NOTHING,
)
"""A row for each training that ``benchmarks/permutation.py`` has measured."""

BY_MINUTE = Table(
    (
        *("recordings", "method", "system", "WER", "by seed", "deletions %"),
        *("WER by minute", "rise after the first [95 %]", f"{ON} minus it [95 %]"),
    ),
    "*/*/result.json",
    _minute_rows,
    NOTHING,
)
"""A row for each system of ``benchmarks/by_minute.py``."""
