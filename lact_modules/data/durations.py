"""Lengths of utterances that a manifest does not tell."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import soundfile

from lact_modules.data.audio import measure_audio
from lact_modules.data.manifest import Utterance
from lact_modules.errors import InputError


def audio_duration(path: str | Path) -> float:
    """Read from its header how long an audio file is.

    Arguments
    ---------
    path : str | Path
        wav, flac, ogg, opus, mp3, ...

    Returns
    -------
    float
        Seconds; of an mp3, up to 0.1 s more than it holds.

    Raises
    ------
    InputError
        If the file is missing or not audio.

    Example
    -------
    >>> import tempfile, numpy
    >>> path = Path(tempfile.mkdtemp()) / "a.wav"
    >>> soundfile.write(path, numpy.zeros(4000), 8000)
    >>> audio_duration(path)
    0.5
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file")
    try:
        header = soundfile.info(str(path))
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise InputError(f"{path}: cannot be read as audio ({error})") from error
    return header.frames / header.samplerate


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
    path = utterance.audio_filepath
    # the header of an mp3 counts what the encoder has padded
    measure = measure_audio if path.lower().endswith(".mp3") else audio_duration
    duration = measure(path) - utterance.offset
    if duration <= 0:
        raise InputError(
            f"{utterance.audio_filepath}: ends before {utterance.id} begins, at "
            f"{utterance.offset:g} s"
        )
    return replace(utterance, duration=duration)
