"""Tables of studies of what mixers remember beyond their window."""

import json
from collections.abc import Iterator
from pathlib import Path
from statistics import mean

from tools.tables import Row, Table, link

NOTHING = "Nothing was measured yet."


def _recall_rows(path: Path, root: Path) -> Iterator[Row]:
    study = json.loads(path.read_text(encoding="utf-8"))
    for row in study.get("recall", []):
        yield [
            link(path, root, "../", row["arm"]),
            *(str(row[name]) for name in ("pairs", "gap", "length")),
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
            link(path, root, "../", run),
            str(plan["names"]),
            f"{plan['gap']:g}",
            f"{rates['beginning']:.2f}",
            f"{rates['behind_gap']:.2f}",
        ]


RECALL = Table(
    (
        *("mixer", "pairs", "gap", "length", "recalled %", "by seed"),
        *("steps by seed", "CPU s", "parameters"),
    ),
    "*/*/result.json",
    _recall_rows,
    NOTHING,
)
"""A row for each mixer and task of ``benchmarks/recall.py``."""

PERMUTATION = Table(
    ("run", "names", "gap s", "WER of what is told", "WER behind the gap"),
    "*/*/result.json",
    _permutation_rows,
    NOTHING,
)
"""A row for each training that ``benchmarks/permutation.py`` has measured."""
