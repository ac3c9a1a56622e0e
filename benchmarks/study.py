"""Results of studies of trained models, and how their numbers are written."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy
from numpy.typing import NDArray

from lact_modules.cli.option.transcribed import read_transcribed
from lact_modules.data.manifest.manifest import Utterance
from lact_modules.scoring.error_rate import count_stream_errors, count_word_errors
from lact_modules.training.outcome.environment import (
    describe_hardware,
    package_versions,
    source_commit,
)
from lact_modules.training.outcome.result import publishable_command
from lact_modules.whole_file import write_whole

Counts = NDArray[numpy.int64]

# of a run's result.json
_SUBJECT = ("dataset", "recipe", "model", "parameters")


def read_some(data: Path | None, limit: int | None) -> list[Utterance]:
    """Read the utterances, or so many that are evenly spread; none without data."""
    if data is None:
        return []
    found, _ = read_transcribed(data)
    return found[:: max(1, len(found) // (limit or len(found)))]


def write_json(path: Path, content: Any) -> None:
    """Write a file of JSON; a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(content, indent=2) + "\n")


def write_study(
    folder: Path,
    run: Path | Mapping[str, Any],
    device: str,
    group: str,
    study: str,
    **found: Any,
) -> dict[str, Any]:
    """Write ``result.json``: what was measured, of which run, and how.

    Arguments
    ---------
    folder : Path
        Where to.
    run : Path | Mapping[str, Any]
        Output folder of the training; the first if there are several. Of a study that
        trains models of its own, what a run's ``result.json`` would hold of them.
    device : str
        Where the model ran.
    group : str
        What its name begins with when it is published.
    study : str
        Its name.
    **found : Any
        What was found.

    Returns
    -------
    dict[str, Any]
        What was written.
    """
    subject = (
        run
        if isinstance(run, Mapping)
        else json.loads((run / "result.json").read_text("utf-8"))
    )
    report = {
        **{key: subject.get(key) for key in _SUBJECT},
        "group": group,
        "study": study,
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": publishable_command(sys.argv),
        "commit": source_commit(),
        "hardware": describe_hardware(device),
        "versions": package_versions(),
        **found,
    }
    write_json(folder / "result.json", report)
    return report


def count_errors(
    utterances: Sequence[Utterance], hypotheses: Sequence[str] | str
) -> Counts:
    """Return errors and words of each utterance, (U, 2), run alone or as one stream."""
    texts = [each.text for each in utterances]
    is_stream = isinstance(hypotheses, str)
    counts = (count_stream_errors if is_stream else count_word_errors)(
        texts, hypotheses
    )
    return numpy.stack([counts[:, :3].sum(axis=1), counts[:, 3]], axis=1)


def rate(counts: Counts) -> float:
    """Return the word error rate of counts (U, 2), in percent."""
    errors, words = counts.sum(axis=0)
    return float(100 * errors / words)


def name_data(path: Path) -> str:
    """Name a split by its folder or manifest; ``manifest.jsonl`` by its folder."""
    return path.parent.name if path.stem == "manifest" else path.stem


def format_difference(value: float, interval: Sequence[float]) -> str:
    """Write a difference with its interval."""
    low, high = interval
    return f"{value:+.2f} [{low:+.2f}, {high:+.2f}]"
