"""Noise with the loudness of speech: what programs are timed on."""

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16000


def make_noise(seconds: float, seed: int = 0) -> NDArray[np.float32]:
    """Return noise (N,) at 16 kHz, the same for a seed; it needs no PyTorch."""
    num_samples = round(seconds * SAMPLE_RATE)
    loudness = np.abs(np.sin(np.arange(num_samples) / SAMPLE_RATE * 12))
    noise = np.random.default_rng(seed).standard_normal(num_samples)
    return (0.1 * loudness * noise).astype(np.float32)
