"""Verify the recordings of a corpus, and separate usable utterances from others."""

import logging
import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.progress import track

from lact_modules.data.manifest.manifest import Utterance
from lact_modules.data.measurement import measure_audio
from lact_modules.errors import InputError

logger = logging.getLogger(__name__)

# a line of the log does not name thousands
_MAX_NAMED = 20


class Skipped(NamedTuple):
    """An utterance that cannot be used, and why."""

    id: str
    reason: str
    detail: str


class Limits(NamedTuple):
    """What usable utterances keep to: seconds, and characters a second.

    A low rate hints at speech that the transcript lacks, a high one at words that are
    not spoken. The channel has to exist and goes into the manifest; any if None.
    """

    min_duration: float = 0.0
    max_duration: float = math.inf
    min_rate: float = 0.0
    max_rate: float = math.inf
    channel: int | None = None


def inspect_all(
    split: Path,
    entries: Sequence[Any],
    inspect: Callable[[Any], Utterance | Skipped],
    num_workers: int | None = None,
) -> tuple[list[Utterance], list[Skipped]]:
    """Inspect the entries of a split in threads; log how many are skipped, and why.

    In the order of the entries; InputError if no utterance is usable.
    """
    console = Console(stderr=True)
    with ThreadPoolExecutor(num_workers or os.cpu_count()) as pool:
        inspected = list(
            track(
                pool.map(inspect, entries),
                description=f"Checking {split.name}",
                total=len(entries),
                console=console,
                transient=True,
                # it would leave an empty line there
                disable=not console.is_terminal,
            )
        )
    utterances = [result for result in inspected if isinstance(result, Utterance)]
    skipped = [result for result in inspected if isinstance(result, Skipped)]
    _log(split.name, utterances, skipped)
    if not utterances:
        raise InputError(
            f"{split}: none of the {len(entries)} utterances is usable; "
            f"the first, {skipped[0].id}: {skipped[0].reason} ({skipped[0].detail})"
        )
    return utterances, skipped


def inspect_recording(utterance: Utterance, limits: Limits) -> Utterance | Skipped:
    """Decode a recording to its end, and hold it to the limits."""
    if limits.channel is not None:
        utterance = replace(utterance, channel=limits.channel)
    try:
        duration = measure_audio(
            utterance.audio_filepath,
            utterance.offset,
            utterance.duration,
            utterance.channel,
        )
    except InputError as error:
        return Skipped(utterance.id, "unusable audio", str(error))
    seconds = f"{duration:.3f} s"
    if duration < limits.min_duration:
        return Skipped(
            utterance.id, "too short", f"{seconds} < {limits.min_duration} s"
        )
    if duration > limits.max_duration:
        return Skipped(utterance.id, "too long", f"{seconds} > {limits.max_duration} s")
    rate = len(utterance.text) / duration
    characters = f"{len(utterance.text)} characters in {seconds}"
    if rate < limits.min_rate:
        return Skipped(utterance.id, "too few characters a second", characters)
    if rate > limits.max_rate:
        return Skipped(utterance.id, "too many characters a second", characters)
    return replace(utterance, duration=duration)


def group_by_reason(skipped: list[Skipped]) -> dict[str, dict[str, str]]:
    """Return the detail of each skipped utterance by reason and id."""
    groups: dict[str, dict[str, str]] = {}
    for utterance_id, reason, detail in skipped:
        groups.setdefault(reason, {})[utterance_id] = detail
    return groups


def _log(name: str, utterances: list[Utterance], skipped: list[Skipped]) -> None:
    total = len(utterances) + len(skipped)
    hours = sum(utterance.duration for utterance in utterances) / 3600
    logger.info("%s: %d of %d utterances, %.2f h", name, len(utterances), total, hours)
    for reason, details in group_by_reason(skipped).items():
        named = list(details)[:_MAX_NAMED]
        logger.warning(
            "%s: %d of %d utterances skipped, %s: %s%s",
            *(name, len(details), total, reason, ", ".join(named)),
            ", ..." if len(details) > len(named) else "",
        )
