"""How fast models run, and in how much memory, by the length of the audio."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lact_modules.errors import InputError


@dataclass(frozen=True)
class SpeedPoint:
    """One length of audio: its real-time factor, and the highest memory.

    The memory is the process's resident one, or that of the GPU.
    """

    audio_s: float
    rtf: float
    peak_memory_mib: float


@dataclass(frozen=True)
class SpeedCurve:
    """What ``benchmarks/inference.py`` measured of a model, by length of audio.

    ``stopped`` is the reason why longer audio was not measured.
    """

    name: str
    points: tuple[SpeedPoint, ...]
    stopped: str | None
    hardware: dict[str, Any]


def read_speed(paths: Iterable[str | Path]) -> list[SpeedCurve]:
    """Read results of ``benchmarks/inference.py``; omit models without any point."""
    curves = []
    for path in map(Path, paths):
        if not path.is_file():
            raise InputError(f"{path}: no such file; run benchmarks/inference.py")
        try:
            report = json.loads(path.read_text(encoding="utf-8"))
            curves += [_curve(entry, report["hardware"]) for entry in report["models"]]
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path}: not written by benchmarks/inference.py"
            ) from error
    return [curve for curve in curves if curve.points]


def _curve(entry: dict[str, Any], hardware: dict[str, Any]) -> SpeedCurve:
    points = tuple(
        SpeedPoint(point["audio_s"], point["rtf"], point["peak_memory_mib"])
        for point in entry["points"]
    )
    return SpeedCurve(entry["name"], points, entry.get("stopped"), hardware)
