"""The first chunks of a stream, before there is one."""

from typing import Any, Protocol

import torch
from torch import Tensor

from lact_modules.data.audio import SAMPLE_RATE
from lact_modules.layers.chunking import Chunking


class _Recognizing(Protocol):
    def accept(self, samples: Tensor) -> Any: ...


def run_silence(
    recognizer: _Recognizing, chunking: Chunking, frame_rate: float
) -> None:
    """Run silence, chunk by chunk, until chunks have their final shape."""
    # some more show that states do not grow, and that positions alone change
    num_chunks = -(-chunking.left // chunking.size) + 6
    silence = torch.zeros(round(chunking.size / frame_rate * SAMPLE_RATE))
    for _ in range(num_chunks):
        recognizer.accept(silence)
