"""Lengths of utterances that a manifest lacks."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from lact_modules.data.manifest.manifest import Utterance
from lact_modules.data.media.duration import audio_duration
from lact_modules.errors import InputError


def measure_durations(utterances: Sequence[Utterance]) -> list[Utterance]:
    """Fill in the durations that are 0, as the preparation of a corpus measures them.

    Arguments
    ---------
    utterances : Sequence[Utterance]
        Those without a duration reach to the end of their file.

    Returns
    -------
    list[Utterance]
        In the same order.

    Raises
    ------
    InputError
        If a file that is needed is missing or not audio, or an utterance would begin
        after its end.
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
