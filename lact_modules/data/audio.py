"""Read audio files: any format soundfile reads, any rate, mono or not."""

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
    samples, rate = _decode(source, offset, duration)
    waveform = torch.from_numpy(samples)
    if rate != sample_rate:
        waveform = torchaudio.functional.resample(waveform, rate, sample_rate)
    return waveform


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
    samples, rate = _decode(path, offset, duration)
    return len(samples) / rate


def _decode(
    source: str | Path | BinaryIO, offset: float = 0.0, duration: float | None = None
) -> tuple[np.ndarray, int]:
    """Give mono samples (N,) float32, and their rate."""
    if isinstance(source, str | Path):
        path = Path(source)
        if not path.is_file():
            raise InputError(f"{path}: no such file")
    else:
        path = Path(source.name)
    try:
        with soundfile.SoundFile(source) as stream:
            rate = stream.samplerate
            start = min(round(offset * rate), stream.frames)
            if start:
                stream.seek(start)
            wanted = round(duration * rate) if duration else stream.frames
            samples = _read_mono(stream, wanted)
            missing = min(wanted, stream.frames - start) - len(samples)
            # an mp3 decoder drops the encoder's padding from the announced length
            tolerance = 0.1 * rate if stream.format == "MP3" else 0
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise InputError(f"{path}: cannot be read as audio ({error})") from error
    if len(samples) == 0:
        raise InputError(f"{path}: holds no samples")
    if missing > tolerance:
        raise InputError(f"{path}: truncated: {missing} samples are missing")
    if not np.isfinite(samples).all():
        raise InputError(f"{path}: holds NaN or infinite samples")
    return samples, rate


def _read_mono(stream: soundfile.SoundFile, wanted: int) -> np.ndarray:
    # In blocks: a damaged header may announce more than fits in memory.
    blocks = [np.zeros(0, dtype=np.float32)]
    while wanted > 0:
        block = stream.read(min(wanted, _BLOCK), dtype="float32", always_2d=True)
        if len(block) == 0:
            break
        blocks.append(block.mean(axis=1))
        wanted -= len(block)
    return np.concatenate(blocks)
