"""How many samples audio files say that they hold."""

import functools
import os
from typing import NamedTuple

import soundfile

from lact_modules.errors import InputError


class SampleCount(NamedTuple):
    """Length of an audio file.

    Arguments
    ---------
    num_samples : int
        Of each channel.
    rate : int
        Hz.
    """

    num_samples: int
    rate: int

    @property
    def seconds(self) -> float:
        """Of all samples."""
        return self.num_samples / self.rate


@functools.lru_cache(maxsize=4096)
def count_by_header(path: str) -> SampleCount:
    """Read from a file's header how many samples it holds.

    Of a file whose header libsndfile does not know, the samples are counted.

    Arguments
    ---------
    path : str
        Audio file.

    Returns
    -------
    SampleCount
        As announced.

    Raises
    ------
    InputError
        If the file is missing or not audio.

    Example
    -------
    >>> import tempfile, numpy
    >>> path = os.path.join(tempfile.mkdtemp(), "a.wav")
    >>> soundfile.write(path, numpy.zeros(4000), 8000)
    >>> count_by_header(path)
    SampleCount(num_samples=4000, rate=8000)
    """
    if not os.path.isfile(path):
        raise InputError(f"{path}: no such file")
    try:
        header = soundfile.info(path)
    except (soundfile.LibsndfileError, RuntimeError):
        from lact_modules.data.audio import count_samples

        return SampleCount(*count_samples(path))
    return SampleCount(header.frames, header.samplerate)
