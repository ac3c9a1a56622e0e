"""The short table of README: encoders side by side, accuracy and cost."""

import json
from pathlib import Path
from typing import Any

from tools.cost_tables import (
    ENCODERS,
    PATTERN,
    Cost,
    costs_by_length,
    is_study,
    median_s,
    read_study,
)
from tools.tables import lay_out

NAMES = {"lact": "LaCT", "conformer": "Conformer", "conmamba": "ConMamba"}
SPLITS = {"test": "WER", "test-unseen-speaker": "WER, unseen speaker"}
LENGTHS = ("60 s", "16 min")
HEADER = (
    *("encoder", *SPLITS.values()),
    *(f"time for {length}" for length in LENGTHS),
    f"memory for {LENGTHS[-1]}",
)


class SummaryTable:
    """A row for each encoder, of the last comparison and the last study of costs.

    Example
    -------
    >>> SummaryTable().render(Path("no/such/folder"))
    'Not all of it was measured yet.'
    """

    def render(self, results: Path) -> str:
        """Lay the rows out as lines of Markdown.

        Arguments
        ---------
        results : Path
            Folder of results.

        Returns
        -------
        str
            The table, or the text for missing results.
        """
        rates, costs = _error_rates(results), _costs(results)
        if not rates or not costs:
            return "Not all of it was measured yet."
        rows = [
            [
                name,
                *(rates[split][f"{key}_demo"] for split in SPLITS),
                *(_time(costs, key, length) for length in LENGTHS),
                f"{_cost_of(costs, key)[LENGTHS[-1]]['memory_mib']:.0f} MiB",
            ]
            for key, name in NAMES.items()
        ]
        return lay_out(HEADER, rows)


def _error_rates(results: Path) -> dict[str, dict[str, str]]:
    """Read mean rates by split and system, of the last comparison of the encoders."""
    found = {}
    for path in sorted(results.glob("digits_ctc_comparison_*/compare.json"), key=_date):
        comparison = json.loads(path.read_text(encoding="utf-8"))
        names = {system["name"] for system in comparison["systems"]}
        if names >= {f"{key}_demo" for key in NAMES}:
            found = {
                trial["split"]: {
                    score["system"]: f"{score['wer']:.1f} %"
                    for score in trial["scores"]
                }
                for trial in comparison["trials"]
                if trial["decoding"] == "greedy"
            }
    return found


def _costs(results: Path) -> dict[str, dict[str, Cost]]:
    """Read costs of a pass by encoder and length, of the last study on one thread."""
    found: dict[str, dict[str, Cost]] = {}
    for path in sorted(results.glob(PATTERN), key=lambda path: _date(path.parent)):
        study = read_study(path)
        if is_study(study, ENCODERS) and study["hardware"]["threads"] == 1:
            found = costs_by_length(study, "forward")
    return found


def _date(path: Path) -> str:
    """Read the day at the end of a published folder's name."""
    return path.parent.name[-len("2026-01-01") :]


def _cost_of(costs: dict[str, dict[str, Cost]], key: str) -> dict[str, Any]:
    return costs["lact_conformer" if key == "lact" else key]


def _time(costs: dict[str, dict[str, Cost]], key: str, length: str) -> str:
    seconds = median_s(_cost_of(costs, key)[length])
    return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s"


SUMMARY = SummaryTable()
"""LaCT, Conformer and ConMamba."""
