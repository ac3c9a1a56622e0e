"""Read audio files of any kind, at any rate, mono or not."""

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter

import torch
from torch import Tensor

from lact_modules.data.manifest.manifest import Utterance
from lact_modules.data.media.resampling import resample_blocks
from lact_modules.data.media.segment import Source, read_segment, source_name
from lact_modules.errors import InputError

SAMPLE_RATE = 16000
"""Hz; every model here expects it."""

MAX_HOURS = 3
"""What is longer is not loaded at once: half a gigabyte, twice for a moment."""


def load_audio(
    source: Source,
    sample_rate: int = SAMPLE_RATE,
    offset: float = 0.0,
    duration: float | None = None,
    channel: int | None = None,
) -> Tensor:
    """Read one audio file as mono samples at the requested rate.

    All of it is read, whatever its header announces: variable bit rates, files joined
    end to end, streams of unknown length. A file that holds less than it announces is
    refused.

    Arguments
    ---------
    source : Source
        wav, flac, ogg, opus, mp3, m4a, webm, amr, ...: a path, or a stream that can
        seek and has a ``name``.
    sample_rate : int
        Hz of the result; other rates are resampled.
    offset : float
        Seconds to skip.
    duration : float | None
        Seconds to read; to the end of the file if None or 0.
    channel : int | None
        Which one, from 0. If None, the mean of all; of channels that cancel each
        other, the loudest.

    Returns
    -------
    Tensor
        (N,) float32, full scale is 1.

    Raises
    ------
    InputError
        If the file is missing, not audio, truncated, empty or too long, the channel or
        the segment is not there, or samples are NaN, infinite or absurdly large.

    Example
    -------
    >>> import soundfile, tempfile
    >>> from pathlib import Path
    >>> path = Path(tempfile.mkdtemp()) / "stereo.wav"
    >>> soundfile.write(path, torch.zeros(8000, 2).numpy(), 8000)
    >>> load_audio(path).shape
    torch.Size([16000])
    """
    blocks, num_samples = [], 0
    for block in stream_audio(source, sample_rate, offset, duration, channel):
        blocks.append(block)
        num_samples += len(block)
        if num_samples > MAX_HOURS * 3600 * sample_rate:
            raise InputError(
                f"{source_name(source)}: longer than {MAX_HOURS} h, too long to be "
                "read at once; cut it into shorter files"
            )
    return torch.cat(blocks)


def load_utterance(utterance: Utterance) -> Tensor:
    """Read an utterance's part of its file: (N,) float32 at 16 kHz, full scale is 1."""
    return load_audio(
        utterance.audio_filepath,
        offset=utterance.offset,
        duration=utterance.duration,
        channel=utterance.channel,
    )


def stream_audio(
    source: Source,
    sample_rate: int = SAMPLE_RATE,
    offset: float = 0.0,
    duration: float | None = None,
    channel: int | None = None,
) -> Iterator[Tensor]:
    """Read one audio file block by block, in memory that does not grow with it.

    Arguments
    ---------
    source : Source
        As for :func:`load_audio`.
    sample_rate : int
        Hz of the result.
    offset : float
        Seconds to skip.
    duration : float | None
        Seconds to read; to the end of the file if None or 0.
    channel : int | None
        As for :func:`load_audio`.

    Yields
    ------
    Tensor
        (N,) float32; joined, what :func:`load_audio` returns.

    Raises
    ------
    InputError
        As :func:`load_audio`, when the reading has come to the fault.
    """
    is_empty = True
    decoded = read_segment(source, offset, duration, channel)
    for rate, group in groupby(decoded, key=itemgetter(0)):
        blocks = (torch.from_numpy(block) for _, block in group)
        for block in resample_blocks(blocks, rate, sample_rate):
            is_empty = False
            yield block
    if is_empty:
        raise InputError(f"{source_name(source)}: holds less than one sample")
