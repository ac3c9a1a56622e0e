"""Audio that stays in its file until it is used."""

from collections.abc import Iterator

import torch
from torch import Tensor

from lact_modules.data.audio import SAMPLE_RATE, stream_audio
from lact_modules.data.measurement import count_samples
from lact_modules.data.media.segment import Source
from lact_modules.data.source.prefetch import prefetch


class AudioFile:
    """Mono samples at 16 kHz that are read when they are used, in pieces.

    It has a length and is split as a waveform is. It is decoded twice: at first to
    see whether it is whole, and how long.

    Arguments
    ---------
    path : Source
        See :func:`~lact_modules.data.audio.load_audio`.
    offset : float
        Seconds to skip.
    duration : float | None
        Seconds to read; to the end of the file if None or 0.
    channel : int | None
        Which one, from 0; their mean if None.

    Raises
    ------
    InputError
        As `load_audio`.

    Example
    -------
    >>> import soundfile, tempfile
    >>> path = tempfile.mkdtemp() + "/a.wav"
    >>> soundfile.write(path, torch.zeros(4000).numpy(), 8000)
    >>> audio = AudioFile(path)
    >>> len(audio), [len(piece) for piece in audio.split(5000)]
    (8000, [5000, 3000])
    """

    def __init__(
        self,
        path: Source,
        offset: float = 0.0,
        duration: float | None = None,
        channel: int | None = None,
    ):
        self._part = (path, SAMPLE_RATE, offset, duration, channel)
        self._num_samples = count_samples(*self._part)

    def __len__(self) -> int:
        return self._num_samples

    def split(self, size: int) -> Iterator[Tensor]:
        """Read pieces (N,) float32 of `size` samples, the last perhaps shorter.

        The next one is read while one is used.
        """
        return prefetch(self._read_pieces(size))

    def _read_pieces(self, size: int) -> Iterator[Tensor]:
        rest = torch.zeros(0)
        for block in stream_audio(*self._part):
            *whole, rest = torch.cat([rest, block]).split(size)
            yield from whole
        yield rest


Waveform = Tensor | AudioFile
"""Samples (N,) float32 at 16 kHz: they have a length, and ``split(size)``."""


def open_audio(
    path: Source,
    max_seconds: float,
    offset: float = 0.0,
    duration: float | None = None,
    channel: int | None = None,
) -> Waveform:
    """Read audio that is not too long, and leave what is longer in its file.

    Arguments
    ---------
    path : Source
        See :func:`~lact_modules.data.audio.load_audio`.
    max_seconds : float
        Most to read.
    offset : float
        Seconds to skip.
    duration : float | None
        Seconds wanted; to the end of the file if None or 0.
    channel : int | None
        Which one, from 0; their mean if None.

    Returns
    -------
    Waveform
        All of it, at 16 kHz.

    Raises
    ------
    InputError
        As `load_audio`.

    Example
    -------
    >>> import soundfile, tempfile
    >>> path = tempfile.mkdtemp() + "/a.wav"
    >>> soundfile.write(path, torch.zeros(4000).numpy(), 8000)
    >>> [type(open_audio(path, seconds)).__name__ for seconds in (1, 0.4)]
    ['Tensor', 'AudioFile']
    """
    blocks, num_samples = [], 0
    for block in stream_audio(path, SAMPLE_RATE, offset, duration, channel):
        blocks.append(block)
        num_samples += len(block)
        if num_samples > max_seconds * SAMPLE_RATE:
            return AudioFile(path, offset, duration, channel)
    return torch.cat(blocks)
