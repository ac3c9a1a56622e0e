"""Tables of studies of streams."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tools.tables import Row, Table, difference, link

NOTHING = "Nothing was measured yet."
REFERENCES = ("nothing", "all but fast weights", "everything, longer window")


def _latency_rows(path: Path, root: Path) -> Iterator[Row]:
    study = json.loads(path.read_text(encoding="utf-8"))
    for split, rows in study.get("latency", {}).items():
        for row in rows:
            yield [
                link(path, root, study["model"]),
                split,
                study["decoding"],
                f"{1000 * row['chunk_seconds']:.0f} ms"
                if row["chunk_seconds"]
                else "whole",
                f"{row['wer']:.2f}",
                _by_run(row["wer_by_run"]),
                difference(row["difference"], row["interval"]),
                f"{row['p_value']:.4f}",
            ]


def _memory_rows(path: Path, root: Path) -> Iterator[Row]:
    study = json.loads(path.read_text(encoding="utf-8"))
    for name, row in study.get("memory", {}).items():
        yield [
            link(path, root, study["data"]),
            name,
            f"{row['wer']:.2f}",
            _by_run(row["wer_by_run"]),
            *(_against(row["against"].get(other)) for other in REFERENCES),
        ]


def _against(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return ""
    text = difference(found["wer"], found["interval"])
    return f"{text}, p {found['p_value']:.4f}"


def _piece_rows(path: Path, root: Path) -> Iterator[Row]:
    study = json.loads(path.read_text(encoding="utf-8"))
    for chunk, row in study.get("difference", {}).items():
        yield [
            link(path, root, study["model"]),
            f"{1000 * float(chunk):.0f} ms",
            *(f"{row[size]:.1e}" for size in PIECES.header[2:]),
        ]


def _hour_rows(path: Path, root: Path) -> Iterator[Row]:
    study = json.loads(path.read_text(encoding="utf-8"))
    # the first, and those where another hour is over
    rows = study.get("rows", [])
    ends = [int(row["hours"]) for row in rows]
    for i, row in enumerate(rows):
        if i and ends[i] == ends[i - 1]:
            continue
        yield [
            link(path, root, study["model"]),
            f"{row['hours']:.2f}",
            f"{row['resident_mib']:.1f}",
            f"{row['state_kib']:.0f}",
            f"{row['cpu_rtf']:.4f}",
            f"{row['largest_norm']:.2f}",
            ", ".join(f"{name} {wer:.1f}" for name, wer in row["wer"].items()),
        ]


def _serving_rows(path: Path, root: Path) -> Iterator[Row]:
    study = json.loads(path.read_text(encoding="utf-8"))
    if "waves" not in study:
        return
    lag = study["lag"]
    waves = [point["resident_mib"] for point in study["waves"]]
    yield [
        link(path, root, study["model"]),
        str(study["clients"]),
        f"{study['chunk_s']} s",
        *(f"{lag[name]:.3f}" for name in ("p50_s", "p95_s", "max_s")),
        f"{study['cpu_s_per_audio_s']:.3f}",
        f"{study['used_memory_mib']:.0f}, then {waves[0]:.0f} to {waves[-1]:.0f}",
    ]


def _pause_rows(path: Path, root: Path) -> Iterator[Row]:
    study = json.loads(path.read_text(encoding="utf-8"))
    for split, rows in study.get("pauses", {}).items():
        found: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        for row in rows:
            found.setdefault((row["way"], row["place"], row["pause"]), []).append(row)
        for (way, place, pause), of_kind in found.items():
            if pause == "none":
                continue
            ((without,), several) = found[way, place, "none"], of_kind
            yield [
                link(path, root, study["model"]),
                *(split, way, f"{pause}, {place}", f"{without['wer']:.2f}"),
                ", ".join(f"{r['seconds']:g} s {r['wer']:.2f}" for r in several),
            ]


def _by_run(rates: Sequence[float]) -> str:
    return " ".join(f"{rate:.2f}" for rate in rates)


LATENCY = Table(
    (
        *("model", "split", "decoding", "chunk", "WER mean", "by seed"),
        *("difference from whole [95 %]", "p"),
    ),
    "*/*/result.json",
    _latency_rows,
    NOTHING,
)
"""A row for each latency of a model, on each split."""

MEMORY = Table(
    (
        *("stream", "carried state", "WER mean", "by seed"),
        *(f"difference from {other} [95 %]" for other in REFERENCES),
    ),
    "*/*/result.json",
    _memory_rows,
    NOTHING,
)
"""A row for each memory, with what it is compared with."""

PIECES = Table(
    ("model", "chunk", "1", "160", "1000", "random", "whole", "float64"),
    "*/*/result.json",
    _piece_rows,
    NOTHING,
)
"""A row for each latency; columns are sizes of pieces, in samples; float64: random."""

HOURS = Table(
    (
        *("model", "hours", "resident MiB", "state KiB", "CPU RTF", "largest norm"),
        "WER of the last ten minutes",
    ),
    "*/*/result.json",
    _hour_rows,
    NOTHING,
)
"""A row for the first ten minutes of a stream, and for each hour."""

SERVING = Table(
    (
        *("model", "clients", "chunk", "lag p50 s", "p95", "max"),
        *("CPU s per s of audio", "MiB after streams, after faulty clients"),
    ),
    "*/*/result.json",
    _serving_rows,
    NOTHING,
)
"""A row for each study of the server."""

PAUSES = Table(
    ("model", "split", "command", "pause", "WER without", "WER by length of pause"),
    "*/*/result.json",
    _pause_rows,
    NOTHING,
)
"""A row for each kind of pause, around utterances or between two parts of a stream."""
