"""Frames as segments, and how sure their boundaries are."""

from typing import NamedTuple

from torch import Tensor

from lact_modules.ops.routing import Routing


class Segments(NamedTuple):
    """Frames as segments.

    Arguments
    ---------
    x : Tensor
        (B, K, D), zero at padding.
    is_padding : Tensor
        (B, K) bool: beyond an utterance's segments.
    routing : Routing
        Where they begin.
    starts : Tensor
        (B, K) int64, the frames that begin them.
    """

    x: Tensor
    is_padding: Tensor
    routing: Routing
    starts: Tensor


def shares(segments: Segments) -> Tensor:
    """Return the probabilities of boundaries, (B, K), zero beyond the segments."""
    share = segments.routing.probability.gather(1, segments.starts)
    return share.masked_fill(segments.is_padding, 0.0)
