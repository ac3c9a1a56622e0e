"""Lengths of utterances that a manifest does not tell."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from lact_modules.data.manifest import Utterance
from lact_modules.data.media.decoder import Decoder
from lact_modules.data.media.segment import open_decoders
from lact_modules.errors import InputError


def audio_duration(path: str | Path) -> float:
    """Tell how long an audio file is, decoding it only where nothing else tells.

    Arguments
    ---------
    path : str | Path
        wav, flac, ogg, opus, mp3, ...

    Returns
    -------
    float
        Seconds, as decoding it gives them if it is not damaged.

    Raises
    ------
    InputError
        If the file is missing or not audio, or announces more than it holds.

    Example
    -------
    >>> import soundfile, tempfile, numpy
    >>> path = Path(tempfile.mkdtemp()) / "a.wav"
    >>> soundfile.write(path, numpy.zeros(4000), 8000)
    >>> audio_duration(path)
    0.5
    """
    with open_decoders(path) as (parts, _):
        return sum(_count_samples(part) / part.rate for part in parts)


def audio_rate(path: str | Path) -> int:
    """Read an audio file's sample rate.

    Arguments
    ---------
    path : str | Path
        wav, flac, ogg, opus, mp3, ...

    Returns
    -------
    int
        Hz; the first one's, of files joined.

    Raises
    ------
    InputError
        If the file is missing or not audio.
    """
    with open_decoders(path) as (parts, _):
        return next(parts).rate


def _count_samples(part: Decoder) -> int:
    if part.num_samples is not None:
        return part.num_samples
    return sum(map(len, part.read()))


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
