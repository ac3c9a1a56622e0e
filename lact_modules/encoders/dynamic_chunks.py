"""Chunks of many sizes in training, so that one model serves every latency."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from lact_modules.layers.chunking import Chunking
from lact_modules.renamed import renamed


@renamed
@dataclass(frozen=True)
class DynamicChunks:
    """Draw how a batch is divided (dynamic chunk training, arXiv 2012.05481, sec. 3).

    Arguments
    ---------
    sizes : Sequence[int]
        Frames of a chunk; each is as probable as the others.
    left_contexts : Sequence[int]
        Frames before a chunk that attention sees; likewise.
    full_context_prob : float
        Probability that a batch is not divided.
    backprop_frames : int | None
        Frames after which no gradient goes back through the carried state, a
        multiple of all sizes; None never cuts it.

    Raises
    ------
    ValueError
        If nothing is there to draw, the share is not between 0 and 1, or the frames
        of a gradient do not end with a chunk.

    Example
    -------
    >>> DynamicChunks(sizes=[8], left_contexts=[64], full_context_prob=0.0).draw()
    Chunking(size=8, left=64)
    """

    sizes: Sequence[int]
    left_contexts: Sequence[int]
    full_context_prob: float = 0.5
    backprop_frames: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.full_context_prob <= 1:
            raise ValueError(
                f"full_context_prob={self.full_context_prob}: must be from 0 to 1"
            )
        for size in self.sizes:
            for left in self.left_contexts:
                Chunking(size, left)
        frames = self.backprop_frames
        if frames is not None and any(frames % size for size in self.sizes):
            raise ValueError(f"backprop_frames={frames}: not a multiple of all sizes")
        if not self.sizes or not self.left_contexts:
            raise ValueError("sizes and left_contexts: give one at least of each")

    def draw(self) -> Chunking | None:
        """Return a division, None for none; Python's generator draws."""
        if random.random() < self.full_context_prob:
            return None
        return Chunking(random.choice(self.sizes), random.choice(self.left_contexts))
