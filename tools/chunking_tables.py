"""Tables of dynamic chunking: words, and time."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import mean
from typing import Any

from tools.tables import Row, Table, difference, link

EVEN = "uniform"


def _word_rows(path: Path, root: Path) -> Iterator[Row]:
    comparison = json.loads(path.read_text(encoding="utf-8"))
    kept = {
        arm["name"]: [_kept(path.parent / run["folder"]) for run in arm["runs"]]
        for arm in comparison["arms"]
    }
    if not any(shares for runs in kept.values() for shares in runs):
        return
    for trial in comparison["trials"]:
        if trial["decoding"] != "greedy":
            continue
        parent = ""
        for score in trial["scores"]:
            arm = score["arm"]
            split = trial["split"]
            shares = [each[split] for each in kept[arm] if split in each]
            if not shares:
                parent = arm
            yield [
                link(path, root, "../", arm),
                trial["split"],
                f"{mean(shares):.2f}" if shares else "1",
                f"{score['wer']:.2f}",
                " ".join(f"{wer:.2f}" for wer in score["wers"].values()),
                _against(trial, arm, parent),
                _against(trial, arm, f"{parent}_{EVEN}"),
            ]


def _kept(run: Path) -> dict[str, float]:
    """Read what share of the frames a run kept, by split; nothing without chunks."""
    metrics = json.loads((run / "result.json").read_text(encoding="utf-8"))["metrics"]
    return {
        split: decodings["greedy"]["kept"]
        for split, decodings in metrics.items()
        if "kept" in decodings.get("greedy", {})
    }


def _against(trial: Mapping[str, Any], arm: str, other: str) -> str:
    """Write the difference of two arms; nothing if it was not taken."""
    for found in trial["differences"]:
        if set(found["arms"]) == {arm, other}:
            sign = 1 if found["arms"] == [other, arm] else -1
            bounds = sorted(sign * bound for bound in found["interval"])
            told = difference(sign * found["wer"], bounds)
            return f"{told}, p {found['p_value']:.4f}"
    return ""


def _time_rows(path: Path, root: Path) -> Iterator[Row]:
    study = json.loads(path.read_text(encoding="utf-8"))
    for seconds, rows in study.get("time", {}).items():
        for row in rows:
            yield [
                link(path, root, "../", row["name"]),
                f"{study['batch_size']} x {seconds}",
                f"{row['kept']:.2f}",
                f"{100 * (1 - row['predicted']):.0f} %",
                f"{100 * (1 - row['encoder']):.0f} %",
                f"{100 * (1 - row['whole']):.0f} %",
                f"{row['encoder_ms']:.1f}",
                f"{row['whole_ms']:.1f}",
            ]


WORDS = Table(
    (
        *("arm", "split", "kept", "WER mean", "by seed"),
        *("against the parent [95 %]", "against even chunks [95 %]"),
    ),
    "*/compare.json",
    _word_rows,
    "No comparison is published yet.",
)
"""A row for each arm of a comparison with dynamic chunks, on each split."""

TIME = Table(
    (
        *("model", "batch x audio s", "kept", "less time by block counts", "encoder"),
        *("samples to text", "encoder ms", "samples to text ms"),
    ),
    "*/*/result.json",
    _time_rows,
    "Nothing was timed yet.",
)
"""A row for each model and length of audio, in time saved of the parent's."""
