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

    It has a length and is split as a waveform is. It is decoded twice: at first to see
    whether it is whole, and how long. Arguments are those of
    :func:`~lact_modules.data.audio.load_audio`.
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
    """Read audio of at most `max_seconds`, and leave what is longer in its file.

    Other arguments are those of :func:`~lact_modules.data.audio.load_audio`.
    """
    blocks, num_samples = [], 0
    for block in stream_audio(path, SAMPLE_RATE, offset, duration, channel):
        blocks.append(block)
        num_samples += len(block)
        if num_samples > max_seconds * SAMPLE_RATE:
            return AudioFile(path, offset, duration, channel)
    return torch.cat(blocks)
