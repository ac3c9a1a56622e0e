"""Raw samples, as pipes and sockets carry them: 16 bits, little-endian, one channel."""

import numpy as np
import torch
from torch import Tensor

BYTES_PER_SAMPLE = 2

_FULL_SCALE = 32768.0


def decode_pcm(data: bytes) -> Tensor:
    """Read signed 16-bit little-endian samples.

    Arguments
    ---------
    data : bytes
        Half a sample at its end is left.

    Returns
    -------
    Tensor
        (N,) float32, from -1 to 1.

    Example
    -------
    >>> decode_pcm(bytes([0, 0x40, 0, 0x80, 0]))
    tensor([ 0.5000, -1.0000])
    """
    count = len(data) // BYTES_PER_SAMPLE
    samples = np.frombuffer(data, dtype="<i2", count=count)
    return torch.from_numpy(samples.astype(np.float32) / _FULL_SCALE)
