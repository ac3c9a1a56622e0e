"""How long audio is, decoded to its end, and how many channels it has."""

from itertools import groupby
from operator import itemgetter

from lact_modules.data.audio import SAMPLE_RATE
from lact_modules.data.media.resampling import resampled_length
from lact_modules.data.media.segment import Source, open_decoders, read_segment


def measure_audio(
    source: Source,
    offset: float = 0.0,
    duration: float | None = None,
    channel: int | None = None,
) -> float:
    """Decode a file to its end to see whether it is whole, and how long it is.

    Arguments
    ---------
    source : Source
        As for :func:`load_audio`.
    offset : float
        Seconds to skip.
    duration : float | None
        Seconds to decode at most; to the end of the file if None or 0.
    channel : int | None
        As for :func:`load_audio`.

    Returns
    -------
    float
        Seconds.

    Raises
    ------
    InputError
        As :func:`load_audio`.

    Example
    -------
    >>> import numpy, soundfile, tempfile
    >>> from pathlib import Path
    >>> path = Path(tempfile.mkdtemp()) / "a.wav"
    >>> soundfile.write(path, numpy.zeros(4000), 8000)
    >>> measure_audio(path)
    0.5
    """
    runs = _count(source, offset, duration, channel)
    return sum(num_samples / rate for rate, num_samples in runs)


def count_samples(
    source: Source,
    sample_rate: int = SAMPLE_RATE,
    offset: float = 0.0,
    duration: float | None = None,
    channel: int | None = None,
) -> int:
    """Decode a file to its end; give the number of samples that `load_audio` gives.

    Arguments
    ---------
    source : Source
        As for :func:`load_audio`.
    sample_rate : int
        Hz at which they are counted.
    offset : float
        Seconds to skip.
    duration : float | None
        Seconds to decode at most; to the end of the file if None or 0.
    channel : int | None
        As for :func:`load_audio`.

    Returns
    -------
    int
        At `sample_rate`.

    Raises
    ------
    InputError
        As :func:`load_audio`.

    Example
    -------
    >>> import numpy, soundfile, tempfile
    >>> from pathlib import Path
    >>> path = Path(tempfile.mkdtemp()) / "two.wav"
    >>> soundfile.write(path, numpy.zeros(32000), 16000)
    >>> count_samples(path, sample_rate=8000, offset=0.5)
    12000
    """
    runs = _count(source, offset, duration, channel)
    return sum(resampled_length(n, rate, sample_rate) for rate, n in runs)


def count_channels(source: Source) -> int:
    """Return how many channels a file has.

    Arguments
    ---------
    source : Source
        As for :func:`load_audio`.

    Returns
    -------
    int
        The most, of files joined.

    Raises
    ------
    InputError
        If the file is missing, not audio, or truncated.

    Example
    -------
    >>> import numpy, soundfile, tempfile
    >>> path = tempfile.mkdtemp() + "/a.wav"
    >>> soundfile.write(path, numpy.zeros((8000, 2)), 8000)
    >>> count_channels(path)
    2
    """
    with open_decoders(source) as (parts, _):
        return max(part.num_channels for part in parts)


def _count(
    source: Source,
    offset: float,
    duration: float | None,
    channel: int | None,
) -> list[tuple[int, int]]:
    """Return the rate and the number of samples of each stretch of one rate."""
    decoded = read_segment(source, offset, duration, channel)
    return [
        (rate, sum(len(block) for _, block in group))
        for rate, group in groupby(decoded, key=itemgetter(0))
    ]
