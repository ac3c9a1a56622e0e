"""What chunked test-time training takes in, and what it carries on.

Legend: B batch, T frames, H heads, D head dimension, F hidden dimension.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from lact_modules.ops.ttt.fast_weight import FastWeight


class Frames(NamedTuple):
    """What an update needs of its frames; all (B, H, T, ...)."""

    k: Tensor
    v: Tensor
    lr: Tensor
    momentum: Tensor | None
    is_valid: Tensor

    def map(self, function: Callable[[Tensor], Tensor]) -> "Frames":
        """Change each of the tensors."""
        return Frames(
            k=function(self.k),
            v=function(self.v),
            lr=function(self.lr),
            momentum=None if self.momentum is None else function(self.momentum),
            is_valid=function(self.is_valid),
        )

    def at(self, span: slice) -> "Frames":
        """Take a run of frames."""
        # of a slice in a closure, compiled graphs would take the numbers as they are
        start, stop = span.start, span.stop
        return self.map(lambda x: x[:, :, start:stop])

    def followed_by(self, later: "Frames") -> "Frames":
        """Join two runs of frames; both have momentum factors, or neither has."""

        def join(x: Tensor, y: Tensor) -> Tensor:
            return torch.cat([x, y], dim=2)

        momentum = None
        if self.momentum is not None and later.momentum is not None:
            momentum = join(self.momentum, later.momentum)
        return Frames(
            k=join(self.k, later.k),
            v=join(self.v, later.v),
            lr=join(self.lr, later.lr),
            momentum=momentum,
            is_valid=join(self.is_valid, later.is_valid),
        )

    @property
    def length(self) -> int:
        """Number of frames."""
        return self.k.shape[2]


class TTTState(NamedTuple):
    """What is carried from one call to the next; detach it to cut the graph.

    It holds nothing that follows from the rest: `UpdateRule.weight` computes the
    weights to apply.

    Arguments
    ---------
    learned : dict[str, Tensor]
        By name of the matrices that updates move, (B, H, ...), float32 or float64:
        what they have become, or the sums of their directions, as the rule
        accumulates.
    momentum : dict[str, Tensor]
        Running directions of steps with momentum; empty without.
    pending : Frames | None
        Frames of the current chunk that the weights have not learned from yet.
    """

    learned: dict[str, Tensor]
    momentum: dict[str, Tensor]
    pending: Frames | None


def per_utterance(weight: FastWeight, batch_size: int) -> FastWeight:
    """Expand to (B, H, ...) in float32, or in float64 for float64."""
    dtype = torch.promote_types(weight.gate.dtype, torch.float32)
    return FastWeight(
        *(matrix.to(dtype).expand(batch_size, -1, -1, -1) for matrix in weight)
    )
