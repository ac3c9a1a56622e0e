"""Audio as users of Python have it: files, arrays of any kind of numbers, any rate."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from lact_modules.data.audio import SAMPLE_RATE
from lact_modules.data.audio_file import AudioFile, Waveform
from lact_modules.data.media.decoder import DecodingError
from lact_modules.data.media.segment import check_samples
from lact_modules.data.resampling import resample_blocks
from lact_modules.errors import InputError

Audio: TypeAlias = Waveform | np.ndarray | str | Path
"""Samples (N,) of floats from -1 to 1 or of integers over their whole range; a file."""

MIN_RATE, MAX_RATE = 1000, 768_000

# of unsigned samples too, zero is in the middle
_INTEGERS = {torch.uint8: 2.0**7, torch.int16: 2.0**15, torch.int32: 2.0**31}


def to_waveforms(
    given: Audio | Sequence[Audio],
    sample_rate: int,
    load: Callable[[str | Path], Waveform],
) -> list[Waveform]:
    """Make what models hear.

    Arguments
    ---------
    given : Audio | Sequence[Audio]
        A batch, or one alone.
    sample_rate : int
        Hz of the samples; files tell their own.
    load : Callable[[str | Path], Waveform]
        Reads a file.

    Returns
    -------
    list[Waveform]
        (N,) float32 on the CPU at 16 kHz, or what `load` gives.

    Raises
    ------
    InputError
        If something is none of these, or a file cannot be read.

    Example
    -------
    >>> samples = np.array([0, 16384, -32768], dtype=np.int16)
    >>> to_waveforms(samples, 16000, load=torch.load)
    [tensor([ 0.0000,  0.5000, -1.0000])]
    """
    if isinstance(given, Tensor | AudioFile | np.ndarray | str | Path):
        given = [given]
    if not MIN_RATE <= sample_rate <= MAX_RATE:
        raise InputError(
            f"sample_rate {sample_rate}: give Hz, from {MIN_RATE} to {MAX_RATE}"
        )
    return [
        _to_waveform(audio, f"audio {number}", sample_rate, load)
        for number, audio in enumerate(given)
    ]


def _to_waveform(
    audio: Audio, name: str, sample_rate: int, load: Callable[[str | Path], Waveform]
) -> Waveform:
    if isinstance(audio, AudioFile):
        return audio
    if isinstance(audio, str | Path):
        return load(audio)
    try:
        # PyTorch takes none of foreign byte order, and warns of read-only ones
        if isinstance(audio, np.ndarray):
            audio = audio.astype(audio.dtype.newbyteorder("="))
        samples = torch.as_tensor(audio).detach().cpu()
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{name}: no samples ({error})") from error
    if samples.ndim != 1:
        raise InputError(
            f"{name}: of shape {tuple(samples.shape)}; give the samples of one channel "
            "(N,), or a list of such"
        )
    waveform = _to_float(samples, name)
    blocks = [*resample_blocks([waveform], sample_rate, SAMPLE_RATE)]
    return torch.cat(blocks) if blocks else waveform


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
