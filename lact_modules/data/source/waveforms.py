"""Audio that Python users pass: files, arrays of any kind of numbers, any rate."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from numbers import Real
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from lact_modules.data.audio import SAMPLE_RATE
from lact_modules.data.media.channels import Mixer
from lact_modules.data.media.decoder import DecodingError
from lact_modules.data.media.resampling import resample_blocks
from lact_modules.data.media.segment import check_samples
from lact_modules.data.source.audio_file import AudioFile, Waveform
from lact_modules.errors import InputError

Samples: TypeAlias = Tensor | np.ndarray
"""Floats from -1 to 1 or integers over their whole range: (N,), or with its channels
(N, C), or (2, N), of which the mean is taken as of a file's."""

Audio: TypeAlias = Waveform | Samples | str | Path
"""A recording: samples, or a file."""

MIN_RATE, MAX_RATE = 1000, 768_000

logger = logging.getLogger(__name__)

# of unsigned samples too, zero is in the middle
_INTEGERS = {torch.uint8: 2.0**7, torch.int16: 2.0**15, torch.int32: 2.0**31}


def to_waveforms(
    recordings: Audio | Sequence[Audio],
    sample_rate: int,
    load: Callable[[str | Path], Waveform],
) -> list[Waveform]:
    """Convert one recording or several: (N,) at 16 kHz, or what `load` returns.

    `sample_rate` is of samples; files have their own.
    """
    if isinstance(recordings, Tensor | AudioFile | np.ndarray | str | Path):
        recordings = [recordings]
    return [
        _to_waveform(audio, f"audio {number}", sample_rate, load)
        for number, audio in enumerate(recordings)
    ]


def _to_waveform(
    audio: Audio, name: str, sample_rate: int, load: Callable[[str | Path], Waveform]
) -> Waveform:
    if isinstance(audio, AudioFile):
        return audio
    if isinstance(audio, str | Path):
        return load(audio)
    return to_waveform(audio, sample_rate, name)


def to_waveform(samples: Samples, sample_rate: int, name: str = "audio") -> Tensor:
    """Make models' input, (N,) float32 on the CPU at 16 kHz, of finite samples.

    `name` is what messages call it.
    """
    return torch.cat([*join_blocks([samples], sample_rate, name)])


def join_blocks(
    blocks: Iterable[Samples], sample_rate: int, name: str = "audio"
) -> Iterator[Tensor]:
    """Mix and resample a recording in blocks, as if it were a single one.

    All have their channels on the axis of the first one, and at least one is yielded.
    """
    _check_rate(sample_rate)

    @cache
    def warn(message: str) -> None:
        logger.warning("%s: %s", name, message)

    mixed = Mixer(warn=warn).mix(_by_channel(blocks, name), sample_rate)
    yield torch.zeros(0)
    yield from resample_blocks(map(torch.from_numpy, mixed), sample_rate, SAMPLE_RATE)


def _check_rate(sample_rate: Any) -> None:
    # NumPy's numbers, too
    rate = float(sample_rate) if isinstance(sample_rate, Real) else 0.0
    if not MIN_RATE <= rate <= MAX_RATE:
        raise InputError(
            f"sample_rate {sample_rate}: give Hz, from {MIN_RATE} to {MAX_RATE}"
        )


def _by_channel(blocks: Iterable[Samples], name: str) -> Iterator[np.ndarray]:
    """Yield blocks (N, C) float32."""
    axis: int | None = None
    for block in blocks:
        samples = _to_tensor(block, name)
        if samples.ndim == 1:
            samples = samples[:, None]
        else:
            axis = _find_channels(samples, name) if axis is None else axis
            samples = samples.movedim(axis, 1)
        yield _to_float(samples, name).numpy()


def _find_channels(samples: Tensor, name: str) -> int:
    """Find the axis of the channels: (N, C) as soundfile, (C, N) as torchaudio."""
    shape = tuple(samples.shape)
    if samples.ndim == 2 and shape[0] >= shape[1]:
        return 1
    # more than stereo may as well be a batch
    if samples.ndim == 2 and shape[0] <= 2:
        return 0
    raise InputError(
        f"{name}: of shape {shape}; give one recording, (N,) or with its channels "
        "(N, C), and several as a list"
    )


def _to_tensor(samples: Any, name: str) -> Tensor:
    if not isinstance(samples, Tensor | np.ndarray):
        kind = type(samples).__name__
        raise InputError(f"{name}: a {kind}; give an array of samples, or a file")
    try:
        # PyTorch takes none of foreign byte order, and warns of read-only ones
        if isinstance(samples, np.ndarray):
            samples = samples.astype(samples.dtype.newbyteorder("="))
        return torch.as_tensor(samples).detach().cpu()
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{name}: no samples ({error})") from error


def _to_float(samples: Tensor, name: str) -> Tensor:
    if samples.dtype in _INTEGERS:
        scale = _INTEGERS[samples.dtype]
        middle = 0.0 if samples.dtype.is_signed else scale
        return ((samples.double() - middle) / scale).float()
    if not samples.is_floating_point():
        raise InputError(
            f"{name}: samples of {samples.dtype}; give floats from -1 to 1, or int16"
        )
    waveform = samples.float()
    try:
        check_samples(waveform.numpy())
    except DecodingError as error:
        raise InputError(f"{name}: {error}") from error
    return waveform
