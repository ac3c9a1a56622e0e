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
    """Decode a file to its end to see whether it is whole; return its seconds.

    Arguments and errors are those of :func:`~lact_modules.data.audio.load_audio`.
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
    """Decode a file to its end; give the number of samples that `load_audio` gives."""
    runs = _count(source, offset, duration, channel)
    return sum(resampled_length(n, rate, sample_rate) for rate, n in runs)


def count_channels(source: Source) -> int:
    """Return how many channels a file has: the most, of files joined."""
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
