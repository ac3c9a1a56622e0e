"""Chunks of frames that a layer takes together, with carried state of earlier ones.

So a model is trained on whole utterances as it later runs on a stream.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor


@dataclass(frozen=True)
class Chunking:
    """How frames are divided; nothing looks beyond the end of its chunk.

    Arguments
    ---------
    size : int
        Frames of a chunk, all of which see each other. The last chunk of an utterance
        may be shorter.
    left : int
        Frames before its chunk that attention sees.

    Raises
    ------
    ValueError
        If the size is not above 0, or `left` is below 0.

    Example
    -------
    >>> Chunking(size=8, left=64)
    Chunking(size=8, left=64)
    """

    size: int
    left: int

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"size={self.size}: must be above 0")
        if self.left < 0:
            raise ValueError(f"left={self.left}: must not be below 0")


class ChunkedLayer(Protocol):
    """What a layer that works in chunks has beside its ``forward``."""

    def chunked(
        self, x: Tensor, is_padding: Tensor, chunking: Chunking, state: Any = None
    ) -> tuple[Tensor, Any]:
        """Map frames chunk by chunk.

        Calls that pass the state on equal one call on the joined frames, if all but
        the last have whole chunks.

        Arguments
        ---------
        x : Tensor
            (B, T, D), from the beginning of a chunk.
        is_padding : Tensor
            (B, T) bool, True at padding.
        chunking : Chunking
            How frames are divided; none sees beyond the end of its chunk.
        state : Any
            After the frames before; None at the beginning.

        Returns
        -------
        output : Tensor
            (B, T, D); finite but meaningless at padding.
        state : Any
            After these frames, of a size that does not grow with them.

        Raises
        ------
        NotImplementedError
            If the layer was built to see all frames.
        """


def keep_last(x: Tensor, count: int) -> Tensor:
    """Return the last `count` frames of (B, T, ...), or all if there are fewer.

    Arguments
    ---------
    x : Tensor
        (B, T, ...)
    count : int
        Frames; may be 0.

    Returns
    -------
    Tensor
        (B, min(T, count), ...)

    Example
    -------
    >>> import torch
    >>> keep_last(torch.arange(5)[None], 2)
    tensor([[3, 4]])
    """
    return x[:, max(0, x.shape[1] - count) :]


def map_tensors(function: Callable[[Tensor], Tensor], state: Any) -> Any:
    """Change every tensor of a layer's state, and nothing else of it.

    Arguments
    ---------
    function : Callable[[Tensor], Tensor]
        Called with each.
    state : Any
        Tensors in tuples, lists and dictionaries, and what else there is.

    Returns
    -------
    Any
        Of the same form.

    Example
    -------
    >>> import torch
    >>> map_tensors(Tensor.neg, {"weight": [torch.ones(2)], "count": 3})
    {'weight': [tensor([-1., -1.])], 'count': 3}
    """
    if isinstance(state, Tensor):
        return function(state)
    if isinstance(state, dict):
        return {name: map_tensors(function, value) for name, value in state.items()}
    if isinstance(state, (tuple, list)):
        values = [map_tensors(function, value) for value in state]
        is_named = hasattr(state, "_fields")
        return type(state)(*values) if is_named else type(state)(values)
    return state
