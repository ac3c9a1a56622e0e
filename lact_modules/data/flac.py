"""Waveforms as 16-bit flac, the samples that were read."""

import io

import soundfile
import torch
from torch import Tensor

from lact_modules.data.audio import SAMPLE_RATE


def encode_flac(waveform: Tensor) -> bytes:
    """Encode (N,) samples at 16 kHz; what exceeds full scale is scaled down as a whole.

    Samples of 16 bits that `load_audio` has read come back as they were. Through
    memory: libsndfile does not distinguish a full disk from other faults.
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
