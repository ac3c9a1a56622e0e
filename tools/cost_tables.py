"""Tables of what encoders cost."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from tools.tables import Row, Table, hardware, link

PATTERN = "*/*/result.json"
# of `encoders.py --study`
ENCODERS, CHOICES_OF_ONE = "encoders", "choices"
NOTHING = "Nothing was measured yet."
PASSES = ("forward", "training step")
LENGTHS = {
    (1, 1): "1 s",
    (5, 1): "5 s",
    (15, 4): "4 x 15 s",
    (60, 1): "60 s",
    (240, 1): "4 min",
    (960, 1): "16 min",
    (1800, 1): "30 min",
}
"""Columns, by seconds and batch size."""

LACT = "lact_conformer"
AIMED_AT = ("4 x 15 s", "60 s", "4 min", "16 min")
AIMS: dict[tuple[str, str, str], tuple[float, ...]] = {
    ("forward", "time", "conformer"): (1.05, 0.8, 0.45, 0.15),
    ("forward", "time", "conmamba"): (0.7, 0.7, 0.7, 0.7),
    ("forward", "time", "speechbrain_conformer"): (0.5, 0.2, 0.06),
    ("forward", "time", "lact_conformer, be866f3"): (0.55, 0.7, 0.2),
    ("forward", "memory", "conformer"): (1.05, 0.8, 0.4, 0.2),
    ("training step", "time", "conformer"): (1.05, 0.8, 0.5),
}
"""What LaCT is meant to take at most, as a share of what another encoder does."""

Cost = Mapping[str, Any]
Rows = Callable[[Path, Path], Iterator[Row]]


def median_s(cost: Cost) -> float:
    """Return the median time of the rounds.

    >>> median_s({"times_s": [1.0, 3.0, 1.5]})
    1.5
    """
    return median(cost["times_s"])


def read_study(path: Path) -> dict[str, Any]:
    """Read a result."""
    return json.loads(path.read_text(encoding="utf-8"))


def is_study(study: Mapping[str, Any], name: str) -> bool:
    """Return whether a result is of ``benchmarks/encoders.py``, and so named."""
    return (study.get("group"), study.get("study")) == ("cost", name)


def describe(study: Mapping[str, Any]) -> str:
    """Describe the hardware of a study."""
    freed = "" if study["keep_freed"] else ", freed memory is returned"
    return f"{hardware(study['hardware'])}, {study['precision']}{freed}"


def costs_by_length(study: Mapping[str, Any], kind: str) -> dict[str, dict[str, Cost]]:
    """Return costs of a pass by system and column."""
    found: dict[str, dict[str, Cost]] = {}
    for each in study["costs"]:
        column = LENGTHS.get((each["seconds"], each["batch"]))
        if each["pass"] == kind and column:
            found.setdefault(each["system"], {})[column] = each
    return found


def _cost_rows(
    path: Path, root: Path, name: str, show: Callable[[Cost], str]
) -> Iterator[Row]:
    study = read_study(path)
    if not is_study(study, name):
        return
    for kind in PASSES:
        for system, costs in costs_by_length(study, kind).items():
            cells = (show(costs[c]) if c in costs else "-" for c in LENGTHS.values())
            yield [link(path, root, describe(study)), kind, system, *cells]


def _time_rows(path: Path, root: Path) -> Iterator[Row]:
    return _cost_rows(path, root, ENCODERS, lambda cost: f"{median_s(cost):.3g}")


def _memory_rows(path: Path, root: Path) -> Iterator[Row]:
    return _cost_rows(path, root, ENCODERS, lambda cost: f"{cost['memory_mib']:.0f}")


def _choice_rows(path: Path, root: Path) -> Iterator[Row]:
    def show(cost: Cost) -> str:
        return f"{median_s(cost):.3g} s, {cost['memory_mib']:.0f} MiB"

    return _cost_rows(path, root, CHOICES_OF_ONE, show)


def _ratio_rows(path: Path, root: Path) -> Iterator[Row]:
    study = read_study(path)
    if not is_study(study, ENCODERS):
        return
    for what, ratio in {"time": _time_ratio, "memory": _memory_ratio}.items():
        for kind in PASSES:
            costs = costs_by_length(study, kind)
            mine = costs.pop(LACT, {})
            for system, others in costs.items():
                aims = AIMS.get((kind, what, system), ())
                aim = dict(zip(AIMED_AT, aims, strict=False))
                yield [
                    link(path, root, describe(study)),
                    *(f"{kind}, {what}", system),
                    *(
                        _beside(ratio(mine[c], others[c]), aim.get(c))
                        if c in mine and c in others
                        else "-"
                        for c in LENGTHS.values()
                    ),
                ]


def _time_ratio(cost: Cost, other: Cost) -> float:
    pairs = zip(cost["times_s"], other["times_s"], strict=True)
    return median(a / b for a, b in pairs)


def _memory_ratio(cost: Cost, other: Cost) -> float:
    return mebibytes(cost) / mebibytes(other)


def mebibytes(cost: Cost) -> float:
    """Return the memory; less than some MiB is within the noise.

    >>> mebibytes({"memory_mib": 0.1})
    4.0
    """
    return max(cost["memory_mib"], 4.0)


def _beside(ratio: float, aim: float | None) -> str:
    return f"{ratio:.2f}" if aim is None else f"{ratio:.2f} (aim {aim:g})"


def _table(rows: Rows, *first: str) -> Table:
    return Table((*first, *LENGTHS.values()), PATTERN, rows, NOTHING)


TIME = _table(_time_rows, "measured on", "pass", "encoder")
"""A row for each encoder, in seconds."""

MEMORY = _table(_memory_rows, "measured on", "pass", "encoder")
"""A row for each encoder, in MiB."""

RATIOS = _table(_ratio_rows, "measured on", "LaCT's", "as a share of that of")
"""A row for each encoder that LaCT is compared with."""

CHOICES = _table(_choice_rows, "measured on", "pass", "LaCT with")
"""A row for each way to set up one encoder."""
