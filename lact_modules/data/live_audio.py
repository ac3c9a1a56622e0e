"""Audio as it comes: files, pipes and microphones in small blocks of one size."""

import logging
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from lact_modules.data.audio import SAMPLE_RATE, stream_audio
from lact_modules.data.pcm import BYTES_PER_SAMPLE, decode_pcm
from lact_modules.data.resampling import resample_blocks
from lact_modules.errors import InputError

BLOCKS_PER_SECOND = 25
"""So long at most do samples wait for others; 40 ms is a frame of most models."""

_BLOCK = SAMPLE_RATE // BLOCKS_PER_SECOND

logger = logging.getLogger(__name__)


def read_file(path: str | Path) -> Iterator[Tensor]:
    """Read an audio file of any length in small blocks.

    Arguments
    ---------
    path : str | Path
        See :func:`~lact_modules.data.audio.load_audio`.

    Yields
    ------
    Tensor
        (N,) float32 at 16 kHz, 40 ms but for the last.

    Raises
    ------
    InputError
        As `load_audio`, when the reading has come to the fault.
    """
    yield from _cut(stream_audio(path))


def read_pcm(stream: BinaryIO, sample_rate: int = SAMPLE_RATE) -> Iterator[Tensor]:
    """Read raw samples from a pipe, signed 16-bit little-endian of one channel.

    What comes out does not depend on how the bytes come in; half a sample at the end
    is left.

    Arguments
    ---------
    stream : BinaryIO
        Buffered: its ``read(n)`` waits for so many bytes, or the end.
    sample_rate : int
        Hz; other rates than 16 kHz are resampled.

    Yields
    ------
    Tensor
        (N,) float32 at 16 kHz, 40 ms but for the last.

    Example
    -------
    >>> import io
    >>> list(read_pcm(io.BytesIO(bytes([0, 0x40, 0, 0x80, 0]))))
    [tensor([ 0.5000, -1.0000])]
    """
    size = BYTES_PER_SAMPLE * -(-sample_rate // BLOCKS_PER_SECOND)
    pieces = iter(lambda: stream.read(size), b"")
    blocks = (block for block in map(decode_pcm, pieces) if len(block))
    yield from _cut(resample_blocks(blocks, sample_rate, SAMPLE_RATE))


def record() -> Iterator[Tensor]:
    """Record from the microphone, without end.

    Yields
    ------
    Tensor
        (N,) float32 at 16 kHz, 40 ms.

    Raises
    ------
    InputError
        If there is no microphone, or ``sounddevice`` is not installed.
    """
    try:
        import sounddevice
    except ImportError as error:
        raise InputError(
            "microphone: needs sounddevice; pip install 'lact-asr[mic]'"
        ) from error
    except OSError as error:
        # the library that it loads
        raise InputError(f"microphone: {error}; install PortAudio") from error
    try:
        with sounddevice.InputStream(
            samplerate=SAMPLE_RATE, channels=1, dtype="float32"
        ) as stream:
            while True:
                samples, is_behind = stream.read(_BLOCK)
                if is_behind:
                    logger.warning("microphone: samples lost, the machine is too slow")
                yield torch.from_numpy(samples[:, 0].copy())
    except sounddevice.PortAudioError as error:
        raise InputError(f"microphone: {error}") from error


def at_speed_of_speech(blocks: Iterable[Tensor]) -> Iterator[Tensor]:
    """Give each block (N,) at 16 kHz when it would have been said.

    Arguments
    ---------
    blocks : Iterable[Tensor]
        Of a recording.

    Yields
    ------
    Tensor
        The same.
    """
    start, seconds = time.monotonic(), 0.0
    for block in blocks:
        seconds += len(block) / SAMPLE_RATE
        time.sleep(max(0.0, start + seconds - time.monotonic()))
        yield block


def _cut(blocks: Iterable[Tensor]) -> Iterator[Tensor]:
    held = torch.zeros(0)
    for block in blocks:
        held = torch.cat([held, block])
        whole = len(held) // _BLOCK * _BLOCK
        if whole:
            yield from held[:whole].split(_BLOCK)
            held = held[whole:]
    if len(held):
        yield held
