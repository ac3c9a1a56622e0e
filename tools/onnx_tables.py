"""The table of what exported graphs take beside PyTorch."""

import json
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from tools.tables import Row, Table, hardware, link

NOTHING = "Nothing was measured yet."


def _rows(path: Path, root: Path) -> Iterator[Row]:
    study = json.loads(path.read_text(encoding="utf-8"))
    if study.get("group") != "onnx":
        return
    used = {**study["hardware"], "threads": study["threads"]}
    first: dict[str, dict[str, Any]] = {}
    for cost in study["costs"]:
        # of each kind, the first is what others are compared with
        base = first.setdefault(cost["kind"], cost)
        pairs = zip(base["times_s"], cost["times_s"], strict=True)
        faster = median(a / b for a, b in pairs)
        name = f"{study['model']}, {study['parameters'] / 1e6:.1f} M parameters"
        yield [
            link(path, root, f"{name}, {hardware(used)}"),
            f"{cost['kind']}, {cost['seconds']:g} s",
            f"{cost['form']}, by {cost['program']}",
            f"{median(cost['times_s']):.3g}",
            f"{faster:.2f}",
            f"{cost['memory_mib']:.0f}",
            f"{cost['memory_mib'] / base['memory_mib']:.2f}",
        ]


SPEED = Table(
    (
        *("model", "audio", "run", "CPU seconds", "times as fast as PyTorch"),
        *("peak memory, MiB", "share of PyTorch's"),
    ),
    "*/*/result.json",
    _rows,
    NOTHING,
)
"""A row for each way to run a model, on files and on streams."""
