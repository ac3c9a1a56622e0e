"""Read audio files: any format soundfile reads, any rate, mono or not."""

import math
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile
import torch
import torchaudio
from torch import Tensor

from lact_modules.errors import InputError

SAMPLE_RATE = 16000
"""Hz; what every model here hears."""

_BLOCK = 1 << 20


def load_audio(
    source: str | Path | BinaryIO,
    sample_rate: int = SAMPLE_RATE,
    offset: float = 0.0,
    duration: float | None = None,
) -> Tensor:
    """Read one audio file as mono samples at the wanted rate.

    Channels are averaged.

    Arguments
    ---------
    source : str | Path | BinaryIO
        wav, flac, ogg, opus, mp3, ... (what libsndfile reads): a path, or a stream
        that can seek and has a ``name``.
    sample_rate : int
        Hz of the result; other rates are resampled.
    offset : float
        Seconds to skip.
    duration : float | None
        Seconds to read; to the end of the file if None or 0.

    Returns
    -------
    Tensor
        (N,) float32, full scale is 1.

    Raises
    ------
    InputError
        If the file is missing, not audio, truncated (flac and mp3 tell), empty
        or holds NaN or infinite samples.

    Example
    -------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "stereo.wav"
    >>> soundfile.write(path, torch.zeros(8000, 2).numpy(), 8000)
    >>> load_audio(path).shape
    torch.Size([16000])
    """
    return torch.cat([*stream_audio(source, sample_rate, offset, duration)])


def stream_audio(
    source: str | Path | BinaryIO,
    sample_rate: int = SAMPLE_RATE,
    offset: float = 0.0,
    duration: float | None = None,
) -> Iterator[Tensor]:
    """Read one audio file block by block, in memory that does not grow with it.

    Arguments
    ---------
    source : str | Path | BinaryIO
        As for :func:`load_audio`.
    sample_rate : int
        Hz of the result.
    offset : float
        Seconds to skip.
    duration : float | None
        Seconds to read; to the end of the file if None or 0.

    Yields
    ------
    Tensor
        (N,) float32; joined, what :func:`load_audio` gives.

    Raises
    ------
    InputError
        As :func:`load_audio`, when the reading has come to the fault.

    Example
    -------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "long.wav"
    >>> soundfile.write(path, np.zeros(2_000_000), 32000)
    >>> sum(map(len, stream_audio(path)))
    1000000
    """
    decoded = _decode(source, offset, duration)
    first, rate = next(decoded)
    blocks = map(torch.from_numpy, chain([first], (block for block, _ in decoded)))
    yield from resample_blocks(blocks, rate, sample_rate)


def measure_audio(
    path: str | Path, offset: float = 0.0, duration: float | None = None
) -> float:
    """Decode a file to its end to see whether it is whole, and how long it is.

    Arguments
    ---------
    path : str | Path
        As for :func:`load_audio`.
    offset : float
        Seconds to skip.
    duration : float | None
        Seconds to decode at most; to the end of the file if None or 0.

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
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.wav"
    >>> soundfile.write(path, np.zeros(4000), 8000)
    >>> measure_audio(path)
    0.5
    """
    num_samples, rate = count_samples(path, offset, duration)
    return num_samples / rate


def count_samples(
    path: str | Path, offset: float = 0.0, duration: float | None = None
) -> tuple[int, int]:
    """Decode a file to its end; give the number of its samples, and their rate.

    Arguments
    ---------
    path : str | Path
        As for :func:`load_audio`.
    offset : float
        Seconds to skip.
    duration : float | None
        Seconds to decode at most; to the end of the file if None or 0.

    Returns
    -------
    tuple[int, int]
        At the file's own rate in Hz.

    Raises
    ------
    InputError
        As :func:`load_audio`.
    """
    blocks = [(len(block), rate) for block, rate in _decode(path, offset, duration)]
    return sum(length for length, _ in blocks), blocks[0][1]


def _decode(
    source: str | Path | BinaryIO, offset: float = 0.0, duration: float | None = None
) -> Iterator[tuple[np.ndarray, int]]:
    """Give mono samples (N,) float32, one block at least, each with their rate."""
    if isinstance(source, str | Path):
        path = Path(source)
        if not path.is_file():
            raise InputError(f"{path}: no such file")
    else:
        path = Path(source.name)
    num_samples = 0
    try:
        with soundfile.SoundFile(source) as stream:
            rate = stream.samplerate
            start = min(round(offset * rate), stream.frames)
            if start:
                stream.seek(start)
            wanted = round(duration * rate) if duration else stream.frames
            for block in _read_mono(stream, wanted):
                if not np.isfinite(block).all():
                    raise InputError(f"{path}: holds NaN or infinite samples")
                num_samples += len(block)
                yield block, rate
            missing = min(wanted, stream.frames - start) - num_samples
            # an mp3 decoder drops the encoder's padding from the announced length
            tolerance = 0.1 * rate if stream.format == "MP3" else 0
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise InputError(f"{path}: cannot be read as audio ({error})") from error
    if num_samples == 0:
        raise InputError(f"{path}: holds no samples")
    if missing > tolerance:
        raise InputError(f"{path}: truncated: {missing} samples are missing")


def _read_mono(stream: soundfile.SoundFile, wanted: int) -> Iterator[np.ndarray]:
    # In blocks: a damaged header may announce more than fits in memory.
    while wanted > 0:
        block = stream.read(min(wanted, _BLOCK), dtype="float32", always_2d=True)
        if len(block) == 0:
            return
        yield block.mean(axis=1)
        wanted -= len(block)


def resample_blocks(
    blocks: Iterator[Tensor], rate: int, new_rate: int
) -> Iterator[Tensor]:
    """Resample blocks to what the joined ones would be resampled to.

    Arguments
    ---------
    blocks : Iterator[Tensor]
        One (N,) at least, not empty; together of any length.
    rate : int
        Hz of the blocks.
    new_rate : int
        Hz wanted.

    Yields
    ------
    Tensor
        (N,) as soon as the samples that they see have come.

    Example
    -------
    >>> blocks = iter(torch.zeros(5, 1000))
    >>> sum(map(len, resample_blocks(blocks, 8000, 16000)))
    10000
    """
    if rate == new_rate:
        yield from blocks
        return
    resample = torchaudio.transforms.Resample(rate, new_rate, dtype=torch.float32)
    # so many samples become so many
    group = rate // math.gcd(rate, new_rate)
    new_group = new_rate // math.gcd(rate, new_rate)
    context = -(-resample.width // group) * group
    held, done = next(blocks), 0
    for block in blocks:
        held = torch.cat([held, block])
        end = (len(held) - context) // group * group
        if end > done:
            resampled = resample(held[: end + context])
            yield resampled[done // group * new_group : end // group * new_group]
            # what stands before is seen by none that follows
            begin = max(0, end - context)
            held, done = held[begin:], end - begin
    yield resample(held)[done // group * new_group :]
