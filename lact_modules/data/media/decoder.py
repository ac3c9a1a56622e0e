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

    Arguments
    ---------
    rate : int
        Hz.
    num_channels : int
        At least 1.
    num_samples : int | None
        Of each channel; None while only reading to the end can say.
    """

    rate: int
    num_channels: int
    num_samples: int | None

    def read(self, start: int = 0) -> Iterator[np.ndarray]:
        """Return blocks (N, C) float32 from a sample on, full scale 1.

        Arguments
        ---------
        start : int
            First sample wanted; past the end nothing is given.

        Returns
        -------
        Iterator[np.ndarray]
            (N, C), N > 0.

        Raises
        ------
        DecodingError
            If what was announced is not there, or is damaged.
        """
        ...
