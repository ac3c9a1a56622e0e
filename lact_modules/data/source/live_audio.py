"""Live audio: files, pipes and microphones in small blocks of one size."""

import logging
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from lact_modules.data.audio import SAMPLE_RATE, stream_audio
from lact_modules.data.media.channels import Mixer
from lact_modules.data.media.decoder import DecodingError
from lact_modules.data.media.pcm import BYTES_PER_SAMPLE, decode_pcm
from lact_modules.data.media.pipe import PcmFormat, name_kind, read_wav_header
from lact_modules.data.media.resampling import resample_blocks
from lact_modules.data.media.segment import check_rate
from lact_modules.errors import InputError

BLOCKS_PER_SECOND = 25
"""So long at most do samples wait for others; 40 ms is a frame of most models."""

_BLOCK = SAMPLE_RATE // BLOCKS_PER_SECOND

logger = logging.getLogger(__name__)


def read_file(path: str | Path) -> Iterator[Tensor]:
    """Read a file in blocks (N,) of 40 ms at 16 kHz, the last perhaps shorter."""
    yield from _cut(stream_audio(path))


def read_pcm(stream: BinaryIO, sample_rate: int | None = None) -> Iterator[Tensor]:
    """Read samples from a pipe, signed 16-bit little-endian: raw ones, or a WAV.

    Blocks (N,) of 40 ms at 16 kHz do not depend on how the bytes arrive; half a sample
    at the end is dropped. Channels of a WAV are averaged, half a second later.
    The stream is buffered: its ``read(n)`` waits for so many bytes, or the end. Raises
    InputError for an audio file of another kind, or a WAV of another rate than
    `sample_rate`.
    """
    format = PcmFormat(sample_rate or SAMPLE_RATE, num_channels=1)
    head = stream.read(_block_size(format))
    kind = name_kind(head)
    try:
        if kind == "WAV":
            format, head = read_wav_header(head, stream)
            check_rate(format.rate)
    except DecodingError as error:
        raise InputError(f"stdin: {error}") from error
    if kind not in ("WAV", None):
        raise InputError(
            f"stdin: this is no raw audio but a file ({kind}); give its name in the "
            "place of -"
        )
    if sample_rate not in (format.rate, None):
        raise InputError(
            f"--sample-rate {sample_rate}: the WAV on stdin has {format.rate} Hz; "
            "leave the option out"
        )
    pieces = _decode_pieces(head, stream, format)
    blocks = map(torch.from_numpy, Mixer().mix(pieces, format.rate))
    yield from _cut(resample_blocks(blocks, format.rate, SAMPLE_RATE))


def _decode_pieces(
    head: bytes, stream: BinaryIO, format: PcmFormat
) -> Iterator[np.ndarray]:
    """Yield blocks (N, C)."""
    size = _block_size(format)
    per_sample = BYTES_PER_SAMPLE * format.num_channels
    # what was read with a header, filled up
    piece = head + stream.read(-len(head) % size if head else size)
    while len(piece) >= per_sample:
        whole = len(piece) // per_sample * per_sample
        yield decode_pcm(piece[:whole]).view(-1, format.num_channels).numpy()
        piece = stream.read(size)


def _block_size(format: PcmFormat) -> int:
    """Return the bytes of 40 ms."""
    num_samples = -(-format.rate // BLOCKS_PER_SECOND)
    return BYTES_PER_SAMPLE * format.num_channels * num_samples


def record() -> Iterator[Tensor]:
    """Record from the microphone, without end, in blocks (N,) of 40 ms at 16 kHz."""
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
    """Yield each block (N,) at 16 kHz when it would have been spoken."""
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
