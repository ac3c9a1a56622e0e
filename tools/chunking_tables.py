"""Tables of dynamic chunking: words, and time."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from tools.tables import Row, Table, difference, link

EVEN = "uniform"
SHARES = (1.0, 0.75, 0.5, 0.33, 0.25)


def _word_rows(path: Path, root: Path) -> Iterator[Row]:
    comparison = json.loads(path.read_text(encoding="utf-8"))
    keep_ratio = {
        system["name"]: [_kept(path.parent / run["folder"]) for run in system["runs"]]
        for system in comparison["systems"]
    }
    if not any(shares for runs in keep_ratio.values() for shares in runs):
        return
    for trial in comparison["trials"]:
        if trial["decoding"] != "greedy":
            continue
        parent = ""
        for score in trial["scores"]:
            system = score["system"]
            split = trial["split"]
            shares = [each[split] for each in keep_ratio[system] if split in each]
            if not shares:
                parent = system
            yield [
                link(path, root, system),
                trial["split"],
                f"{mean(shares):.2f}" if shares else "1",
                f"{score['wer']:.2f}",
                " ".join(f"{wer:.2f}" for wer in score["wers"].values()),
                _against(trial, system, parent),
                _against(trial, system, f"{parent}_{EVEN}"),
            ]


def _kept(run: Path) -> dict[str, float]:
    """Read the keep ratio of a run by split; nothing without dynamic chunking."""
    metrics = json.loads((run / "result.json").read_text(encoding="utf-8"))["metrics"]
    return {
        split: decodings["greedy"]["keep_ratio"]
        for split, decodings in metrics.items()
        if "keep_ratio" in decodings.get("greedy", {})
    }


def _against(trial: Mapping[str, Any], system: str, other: str) -> str:
    """Write the difference of two systems; nothing if it was not taken."""
    for found in trial["differences"]:
        if set(found["systems"]) == {system, other}:
            sign = 1 if found["systems"] == [other, system] else -1
            bounds = sorted(sign * bound for bound in found["interval"])
            text = difference(sign * found["wer"], bounds)
            return f"{text}, p {found['p_value']:.4f}"
    return ""


def _time_rows(path: Path, root: Path) -> Iterator[Row]:
    for timed, rows in _timed(path):
        for row in rows:
            if row["is_even"] or row["keep_ratio"] == 1:
                continue
            yield [
                link(path, root, row["name"]),
                timed,
                f"{row['keep_ratio']:.2f}",
                _saved(row["predicted"]),
                _saved(row["encoder"]),
                _saved(row["whole"]),
                f"{row['encoder_ms']:.1f}",
                f"{row['whole_ms']:.1f}",
            ]


def _even_rows(path: Path, root: Path) -> Iterator[Row]:
    for timed, rows in _timed(path):
        even = [row for row in rows if row["is_even"]]
        if len(even) > 1:
            yield [
                link(path, root, even[0]["name"].partition(",")[0]),
                timed,
                *(_at(share, even) for share in SHARES),
            ]


def _timed(path: Path) -> Iterator[tuple[str, Sequence[Mapping[str, Any]]]]:
    """Return what was timed together, by batch size and seconds."""
    study = json.loads(path.read_text(encoding="utf-8"))
    for seconds, rows in study.get("time", {}).items():
        yield f"{study['batch_size']} x {seconds}", rows


def _at(share: float, rows: Sequence[Mapping[str, Any]]) -> str:
    """Write the saving at that keep ratio; nothing if it was not timed."""
    row = min(rows, key=lambda each: abs(each["keep_ratio"] - share))
    if abs(row["keep_ratio"] - share) > 0.02:
        return ""
    return f"{_saved(row['encoder'])} ({_saved(row['predicted'])})"


def _saved(share: float) -> str:
    return f"{100 * (1 - share):.0f} %"


WORDS = Table(
    (
        *("system", "split", "keep ratio", "WER mean", "by seed"),
        *("difference from parent [95 %]", "from uniform segments [95 %]"),
    ),
    "*/compare.json",
    _word_rows,
    "No comparison is published yet.",
)
"""A row for each system of a comparison with dynamic chunking, on each split."""

TIME = Table(
    (
        *("model", "batch x audio s", "keep ratio"),
        *("predicted saving", "encoder saving"),
        *("total saving", "encoder ms", "total ms"),
    ),
    "*/*/result.json",
    _time_rows,
    "Nothing was timed yet.",
)
"""A row for each model and length of audio, in time saved of the parent's."""

EVEN_TIME = Table(
    ("model", "batch x audio s", *(f"keep ratio {share}" for share in SHARES)),
    "*/*/result.json",
    _even_rows,
    "Nothing was timed yet.",
)
"""A row for each length of audio: time that the encoder saves with uniform segments."""
