"""Chunks of many sizes in training, so that one model serves every latency."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from lact_modules.layers.chunking import Chunking


@dataclass(frozen=True)
class DynamicChunks:
    """Draw how a batch is divided (dynamic chunk training, arXiv 2012.05481, sec. 3).

    Arguments
    ---------
    sizes : Sequence[int]
        Frames of a chunk; each is as probable as the others.
    lefts : Sequence[int]
        Frames that attention remembers; likewise.
    full_share : float
        Of the batches, those that are not divided.
    segment : int | None
        Frames after which no gradient goes back through what is remembered, a
        multiple of all sizes; None never cuts it.

    Raises
    ------
    ValueError
        If nothing is there to draw, the share is not between 0 and 1, or a segment
        does not end with a chunk.

    Example
    -------
    >>> DynamicChunks(sizes=[8], lefts=[64], full_share=0.0).draw()
    Chunking(size=8, left=64)
    """

    sizes: Sequence[int]
    lefts: Sequence[int]
    full_share: float = 0.5
    segment: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.full_share <= 1:
            raise ValueError(f"full_share={self.full_share}: must be from 0 to 1")
        for size in self.sizes:
            for left in self.lefts:
                Chunking(size, left)
        if self.segment is not None and any(self.segment % n for n in self.sizes):
            raise ValueError(f"segment={self.segment}: must be a multiple of all sizes")
        if not self.sizes or not self.lefts:
            raise ValueError("sizes and lefts: give one at least of each")

    def draw(self) -> Chunking | None:
        """Give a division, None for none; Python's generator draws."""
        if random.random() < self.full_share:
            return None
        return Chunking(random.choice(self.sizes), random.choice(self.lefts))
