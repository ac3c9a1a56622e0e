"""Compare systems on the utterances that all of them were tested on."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy
from numpy.typing import NDArray

from lact_modules.comparison.cautions import find_cautions
from lact_modules.comparison.runs import Pairs, Run, System
from lact_modules.comparison.settings import differing
from lact_modules.comparison.statistics import (
    Difference,
    Interval,
    paired_bootstrap,
    seed_interval,
    utterance_interval,
)
from lact_modules.errors import InputError
from lact_modules.scoring.error_rate import count_word_errors


@dataclass(frozen=True)
class Score:
    """What a system reached in one trial: rates in percent, means over seeds.

    Intervals are at 95 %; the one over seeds is None for a single seed.
    """

    system: str
    wers: dict[int, float]
    wer: float
    seed_interval: Interval | None
    utterance_interval: Interval
    cer: float
    rtf: float | None


@dataclass(frozen=True)
class Trial:
    """All systems on one split with one decoding.

    Differences are the second system's rate minus the first one's.
    """

    split: str
    decoding: str
    num_utterances: int
    num_words: int
    scores: tuple[Score, ...]
    differences: dict[tuple[str, str], Difference]


@dataclass(frozen=True)
class Comparison:
    """Systems side by side, hyperparameters that differ, and cautions."""

    systems: tuple[System, ...]
    trials: tuple[Trial, ...]
    settings: dict[str, dict[str, str]]
    cautions: tuple[str, ...]


def compare(systems: Sequence[System], splits: Sequence[str] = ()) -> Comparison:
    """Compare systems on some splits, by default on those that all runs have.

    Raises InputError if a run lacks a split, or its references differ from another
    run's.
    """
    runs = [run for system in systems for run in system.runs]
    trials = [
        _trial(systems, split, decoding)
        for split in splits or _common_splits(runs)
        for decoding in _common_decodings(runs, split)
    ]
    settings = differing({system.name: system.settings for system in systems})
    return Comparison(
        tuple(systems), tuple(trials), settings, tuple(find_cautions(systems))
    )


def _common(names: Sequence[Collection[str]]) -> tuple[Collection[str], list[str]]:
    """Return the first run's names, and those of them that all runs have."""
    first, *others = names
    return first, [name for name in first if all(name in other for other in others)]


def _common_splits(runs: Sequence[Run]) -> list[str]:
    first, common = _common([run.decodings for run in runs])
    if not common:
        raise InputError(
            f"{runs[0].folder}: tested on {', '.join(first) or 'nothing'}, others on "
            "other splits; rerun train.py with --test_only and common test_splits"
        )
    return common


def _common_decodings(runs: Sequence[Run], split: str) -> list[str]:
    for run in runs:
        if split not in run.decodings:
            raise InputError(f"{run.folder}: not tested on {split!r}")
    first, common = _common([run.decodings[split] for run in runs])
    if not common:
        raise InputError(
            f"{runs[0].folder}: {split!r} was decoded by {', '.join(first)}, and by "
            "others in other ways; rerun train.py with --test_only"
        )
    return common


def _trial(systems: Sequence[System], split: str, decoding: str) -> Trial:
    pairs = {
        run.folder: run.read_transcripts(split, decoding)
        for system in systems
        for run in system.runs
    }
    _check_references(pairs, split)
    counts = {folder: _count(texts) for folder, texts in pairs.items()}
    words = next(iter(counts.values()))[:, 3]
    errors = {}
    for system in systems:
        _check_scores(system.runs, counts, split, decoding)
        # (seeds, U, 4)
        stacked = numpy.stack([counts[run.folder] for run in system.runs])
        errors[system.name] = stacked[:, :, :3].sum(axis=2).mean(axis=0)
    return Trial(
        split,
        decoding,
        num_utterances=len(words),
        num_words=int(words.sum()),
        scores=tuple(
            _score(system, split, decoding, errors[system.name], words)
            for system in systems
        ),
        differences={
            (a, b): paired_bootstrap(errors[a], errors[b], words)
            for a, b in combinations(errors, 2)
        },
    )


def _count(texts: Pairs) -> NDArray[numpy.int64]:
    references, hypotheses = zip(*texts.values(), strict=True)
    return count_word_errors(references, hypotheses)


def _check_references(pairs: Mapping[Path, Pairs], split: str) -> None:
    references = {
        folder: {name: reference for name, (reference, _) in texts.items()}
        for folder, texts in pairs.items()
    }
    first = next(iter(references))
    for folder, expected in references.items():
        if expected != references[first]:
            raise InputError(
                f"{folder}: other utterances or references in {split!r} than {first}; "
                "compare runs that were tested on the same data"
            )


def _check_scores(
    runs: Sequence[Run],
    counts: Mapping[Path, NDArray[numpy.int64]],
    split: str,
    decoding: str,
) -> None:
    """Find transcripts that are not those of the recorded result."""
    for run in runs:
        count = counts[run.folder].sum(axis=0)
        wer = 100 * count[:3].sum() / max(count[3], 1)
        if not numpy.isclose(run.result["metrics"][split][decoding]["wer"], wer):
            raise InputError(
                f"{run.folder}: transcripts of {split!r} ({decoding}) and result.json "
                "do not belong together; rerun train.py with --test_only"
            )


def _score(
    system: System,
    split: str,
    decoding: str,
    errors: NDArray[numpy.float64],
    words: NDArray[numpy.int64],
) -> Score:
    metrics = [run.result["metrics"][split][decoding] for run in system.runs]
    wers = {run.seed: m["wer"] for run, m in zip(system.runs, metrics, strict=True)}
    rtfs = [m["rtf"] for m in metrics if "rtf" in m]
    return Score(
        system=system.name,
        wers=wers,
        wer=float(numpy.mean(list(wers.values()))),
        seed_interval=seed_interval(list(wers.values())),
        utterance_interval=utterance_interval(errors, words),
        cer=float(numpy.mean([m["cer"] for m in metrics])),
        rtf=float(numpy.mean(rtfs)) if rtfs else None,
    )
