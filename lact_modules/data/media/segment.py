"""Read a segment of a file: which parts, which samples, which channel."""

import functools
import logging
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from lact_modules.data.media.byte_range import ByteRange
from lact_modules.data.media.channels import Mixer
from lact_modules.data.media.decoder import Decoder, DecodingError
from lact_modules.data.media.parts import open_parts
from lact_modules.errors import InputError

RATES = (1000, 768_000)
"""Hz; headers with less or more are damaged."""

MAX_OVERSHOOT = 0.5
"""Seconds by which a segment may end behind its file: lengths are rounded."""

# Float files hold integers too, up to 2^31, unscaled; more is damage.
_MAX_LEVEL = 2.0**32

Source = str | Path | BinaryIO
"""A path, or a stream that can seek and has a ``name``."""

logger = logging.getLogger(__name__)


@contextmanager
def open_decoders(
    source: Source,
) -> Iterator[tuple[Iterator[Decoder], Callable[[str], None]]]:
    """Open a file to decode it; faults meanwhile are raised with its name.

    Yields the decoders of its parts, each with a plausible rate, to be read in turn;
    and a function that warns of the file, once however often it is read.
    """
    name = source_name(source)

    def warn(message: str) -> None:
        _warn(f"{name}: {message}")

    with _open(source) as stream:
        try:
            yield map(_checked, open_parts(ByteRange(stream), warn)), warn
        except DecodingError as error:
            raise InputError(f"{name}: {error}") from error


def read_segment(
    source: Source,
    offset: float = 0.0,
    duration: float | None = None,
    channel: int | None = None,
) -> Iterator[tuple[int, np.ndarray]]:
    """Decode the samples between two times, of one channel, see `Mixer`.

    Yields Hz, which changes only where files of two rates are joined, and blocks (N,),
    N > 0. Reads to the end if the duration is None or 0. Raises InputError if the
    segment or the channel is not there, or samples are not finite or far beyond full
    scale.
    """
    with open_decoders(source) as (parts, warn):
        mixer = Mixer(channel, warn)
        for rate, block in _cut(parts, mixer, offset, duration):
            check_samples(block)
            yield rate, block


def source_name(source: Source) -> str:
    """Return what messages call a source."""
    return str(source if isinstance(source, str | Path) else source.name)


def _cut(
    parts: Iterable[Decoder], mixer: Mixer, offset: float, duration: float | None
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the blocks (N,) between two times, and the rate of each."""
    # in samples, of the part that is read
    skip, wanted, rate = offset, duration or math.inf, 1
    length, is_empty = 0.0, True
    for part in parts:
        # samples are exact within parts of one rate
        skip = round(skip * part.rate / rate)
        wanted = wanted if wanted == math.inf else round(wanted * part.rate / rate)
        rate = part.rate
        if part.num_samples is None or skip < part.num_samples:
            for block in _read_mixed(part, mixer, skip):
                if wanted < len(block):
                    block = block[: int(wanted)]
                if len(block):
                    is_empty = False
                    yield rate, block
                wanted -= len(block)
                if wanted <= 0:
                    return
        num_samples = part.num_samples or 0
        length += num_samples / rate
        skip = max(0, skip - num_samples)
    if length == 0:
        raise DecodingError("holds no samples")
    if is_empty or MAX_OVERSHOOT < wanted / rate < math.inf:
        segment = "" if duration is None else f"{duration:g} s "
        raise DecodingError(
            f"the segment of {segment}at {offset:g} s ends behind the file, which is "
            f"{length:g} s long"
        )


def check_rate(rate: int) -> None:
    """Raise DecodingError for a header's rate, in Hz, that is not within `RATES`."""
    low, high = RATES
    if not low <= rate <= high:
        raise DecodingError(
            f"its header has a sample rate of {rate} Hz, which is not within {low} "
            f"and {high} Hz; correct it"
        )


def _checked(part: Decoder) -> Decoder:
    check_rate(part.rate)
    return part


def _read_mixed(part: Decoder, mixer: Mixer, start: int) -> Iterator[np.ndarray]:
    """Yield blocks (N,) of one channel from a sample on, as in the whole part."""
    first = mixer.find_start(start, part.rate, part.num_channels)
    for block in mixer.mix(part.read(first), part.rate):
        if first + len(block) > start:
            yield block[max(0, start - first) :]
        first += len(block)


def check_samples(samples: np.ndarray) -> None:
    """Refuse samples that are not finite, or far beyond full scale, 1."""
    if not np.isfinite(samples).all():
        raise DecodingError("holds NaN or infinite samples")
    if (level := np.abs(samples).max(initial=0.0)) > _MAX_LEVEL:
        raise DecodingError(f"holds samples of {level:.1g}; full scale is 1")


@contextmanager
def _open(source: Source) -> Iterator[BinaryIO]:
    if not isinstance(source, str | Path):
        yield source
        return
    if not Path(source).is_file():
        raise InputError(f"{source}: no such file")
    # without a buffer, which would not know what libsndfile does to the descriptor
    with open(source, "rb", buffering=0) as stream:
        yield stream


@functools.lru_cache(maxsize=1024)
def _warn(message: str) -> None:
    """Warn of a file once, however often it is read."""
    logger.warning(message)
