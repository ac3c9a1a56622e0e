"""Raw samples, as pipes and sockets carry them: 16 bits, little-endian, one channel."""

import numpy as np
import torch
from torch import Tensor

BYTES_PER_SAMPLE = 2

_FULL_SCALE = 32768.0


def decode_pcm(data: bytes) -> Tensor:
    """Read 16-bit little-endian samples, -1 to 1; half a sample at the end is left."""
    count = len(data) // BYTES_PER_SAMPLE
    samples = np.frombuffer(data, dtype="<i2", count=count)
    return torch.from_numpy(samples.astype(np.float32) / _FULL_SCALE)
