"""What every decoder does."""

from collections.abc import Iterator
from typing import Protocol

import numpy as np

BLOCK = 1 << 20
"""Values, of all channels together, that are decoded at once."""


class DecodingError(Exception):
    """A fault of a file: what is wrong, without the file's name."""


class Decoder(Protocol):
    """A part of a file that is ready to be read: one stream of one sample rate.

    `num_samples` of each channel is None if it is only known after reading to the end.
    """

    rate: int
    num_channels: int
    num_samples: int | None

    def read(self, start: int = 0) -> Iterator[np.ndarray]:
        """Return blocks (N, C) float32 from a sample on, N > 0, full scale 1.

        Raises DecodingError if what was announced is not there, or is damaged.
        """
        ...
