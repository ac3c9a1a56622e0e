"""Waveforms as 16-bit flac, the samples that were read."""

import io

import soundfile
import torch
from torch import Tensor

from lact_modules.data.audio import SAMPLE_RATE


def encode_flac(waveform: Tensor) -> bytes:
    """Encode a waveform; what exceeds full scale is scaled down as a whole.

    Through memory: libsndfile does not tell a full disk from other faults.

    Arguments
    ---------
    waveform : Tensor
        (N,) float32 at 16 kHz.

    Returns
    -------
    bytes
        Of a file; samples of 16 bits that `load_audio` has read come back as they were.

    Example
    -------
    >>> samples, _ = soundfile.read(io.BytesIO(encode_flac(torch.tensor([0.5, -2.0]))))
    >>> samples.tolist()
    [0.25, -1.0]
    """
    content = io.BytesIO()
    samples = _to_16_bit(waveform).numpy()
    soundfile.write(content, samples, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return content.getvalue()


def name_flac(utterance_id: str) -> str:
    """Name an utterance's file; different ids have different names."""
    return utterance_id.replace("%", "%25").replace("/", "%2F") + ".flac"


def _to_16_bit(waveform: Tensor) -> Tensor:
    """Round to int16, (N,), as load_audio reads it: 32768 is full scale."""
    # soundfile's own conversion takes 32767, and clean speech would change
    scaled = waveform / waveform.abs().max().clamp(min=1)
    return (32768 * scaled).round().clamp(-32768, 32767).to(torch.int16)
