"""Lengths of utterances that a manifest lacks."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from lact_modules.data.manifest.manifest import Utterance
from lact_modules.data.media.duration import audio_duration
from lact_modules.errors import InputError


def measure_durations(utterances: Sequence[Utterance]) -> list[Utterance]:
    """Fill in the durations that are 0, to the end of the file.

    As the preparation of a corpus measures them.
    """
    if all(utterance.duration for utterance in utterances):
        return list(utterances)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(_measure, utterances))


def _measure(utterance: Utterance) -> Utterance:
    if utterance.duration:
        return utterance
    duration = audio_duration(utterance.audio_filepath) - utterance.offset
    if duration <= 0:
        raise InputError(
            f"{utterance.audio_filepath}: ends before {utterance.id} begins, at "
            f"{utterance.offset:g} s"
        )
    return replace(utterance, duration=duration)
