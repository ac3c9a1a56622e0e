"""Frames that are taken some at a time, where no gradients are kept.

What is made in between is then small, whatever the length. On a CPU only: elsewhere,
and in graphs that are compiled, all frames are taken at once.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from lact_modules.layers.chunking import map_tensors

Context = tuple[int, int]
"""Frames before and after a frame that it depends on."""

# of a feed-forward layer's hidden units, so many frames take some megabytes
_FRAMES = 1024
# more frames than these are worth what pieces of a mixer compute once more
_MOST_AT_ONCE = 2 * _FRAMES
# so many times as long as the frames around it that are computed once more
_LEAST_SHARE = 16


def context_of(left: int | None, right: int | None) -> Context | None:
    """Return the context of a layer that sees a window, of which None sees all.

    Arguments
    ---------
    left : int | None
        Frames before.
    right : int | None
        Frames after.

    Returns
    -------
    Context | None
        See `PiecedLayer`.

    Example
    -------
    >>> context_of(3, 0), context_of(None, 0)
    ((3, 0), None)
    """
    return None if left is None or right is None else (left, right)


class PiecedLayer(Protocol):
    """What a layer has that need not see whole utterances at once.

    Arguments
    ---------
    context : Context | None
        Which other frames a frame's answer depends on; None: on all of its utterance.
    """

    context: Context | None


class MemoryLayer(PiecedLayer, Protocol):
    """A `PiecedLayer` that learns from all frames before it answers any."""

    def learn(
        self, x: Tensor, is_padding: Tensor, read: Callable[[Tensor], Tensor]
    ) -> Any:
        """Return what ``forward`` takes as a third argument for a piece of the frames.

        Arguments
        ---------
        x : Tensor
            (B, T, D)
        is_padding : Tensor
            (B, T) bool, True at padding.
        read : Callable[[Tensor], Tensor]
            Changes each frame by itself, before the layer.

        Returns
        -------
        Any
            Tensors (B, ...), as `map_tensors` knows them, of whole utterances.
        """


class Piece(NamedTuple):
    """Some utterances, or frames of one.

    Arguments
    ---------
    rows : slice
        Of the batch.
    frames : slice
        That are wanted.
    seen : slice
        These and what they depend on.
    """

    rows: slice
    frames: slice
    seen: slice

    @property
    def wanted(self) -> slice:
        """The place of `frames` among `seen`."""
        first = self.frames.start - self.seen.start
        return slice(first, first + self.frames.stop - self.frames.start)


def by_pieces(
    function: Callable[..., Tensor],
    x: Tensor,
    *others: Tensor,
    context: Context | None = (0, 0),
    known: Any = None,
    overwrite: bool = False,
) -> Tensor:
    """Call a function whose answer to a frame depends on near frames alone.

    Where no gradients are kept it gets some frames at a time, with what they depend on
    before and after them; its output there is dropped.

    Arguments
    ---------
    function : Callable[..., Tensor]
        Of (B, T, D) and the others to (B, T, E).
    x : Tensor
        (B, T, D)
    *others : Tensor
        (B, T, ...), such as padding.
    context : Context | None
        How many frames it depends on; None: all of its utterance.
    known : Any
        Tensors (B, ...) of whole utterances, its last argument; None: it takes none.
    overwrite : bool
        Put the answers in the place of `x`, if that is done by pieces.

    Returns
    -------
    Tensor
        (B, T, E)

    Example
    -------
    >>> layer = torch.nn.Linear(8, 4)
    >>> with torch.no_grad():
    ...     by_pieces(layer, torch.randn(2, 1500, 8)).shape
    torch.Size([2, 1500, 4])
    """
    if not is_cut(x, _MOST_AT_ONCE if others else _FRAMES):
        return function(x, *others, *_of_rows(known, slice(None)))
    # before small tensors, which would take the place that a large one has left
    y = x if overwrite else torch.empty_like(x)
    late: tuple[Piece, Tensor] | None = None
    for piece in _pieces(x, context):
        parts = [each[piece.rows, piece.seen] for each in (x, *others)]
        answer = function(*parts, *_of_rows(known, piece.rows))[:, piece.wanted]
        if (answer.shape[-1], answer.dtype) != (y.shape[-1], y.dtype):
            y = answer.new_empty(*x.shape[:2], answer.shape[-1])
        # one piece late, for the next one looks back
        _put(late, y)
        late = piece, answer
    _put(late, y)
    return y


def sum_by_pieces(
    function: Callable[..., dict[str, Tensor]], x: Tensor, *others: Tensor
) -> dict[str, Tensor]:
    """Call a function that sums over the frames of each utterance.

    Arguments
    ---------
    function : Callable[..., dict[str, Tensor]]
        Of (B, T, D) and the others to sums (B, ...).
    x : Tensor
        (B, T, D)
    *others : Tensor
        (B, T, ...), such as padding.

    Returns
    -------
    dict[str, Tensor]
        The sums.

    Example
    -------
    >>> x = torch.ones(2, 3000, 4)
    >>> with torch.no_grad():
    ...     sum_by_pieces(lambda x: {"sum": x.sum(1)}, x)["sum"][1]
    tensor([3000., 3000., 3000., 3000.])
    """
    if not is_cut(x):
        return function(x, *others)
    sums: dict[int, dict[str, Tensor]] = {}
    for piece in _pieces(x, (0, 0)):
        found = function(*(each[piece.rows, piece.frames] for each in (x, *others)))
        before = sums.setdefault(piece.rows.start, found)
        if before is not found:
            for name, value in found.items():
                before[name] = before[name] + value
    rows = list(sums.values())
    return {name: torch.cat([row[name] for row in rows]) for name in rows[0]}


def is_cut(x: Tensor, most: int | None = None) -> bool:
    """Return whether frames are taken some at a time.

    Arguments
    ---------
    x : Tensor
        (B, T, D)
    most : int | None
        Frames that are taken at once; None: as of a mixer.

    Returns
    -------
    bool
        False where gradients are kept, off the CPU, in graphs, and of few frames.

    Example
    -------
    >>> is_cut(torch.zeros(1, 3000, 8))
    False
    """
    return not (
        # first, so that no graph is made for each side of a length
        torch.compiler.is_compiling()
        or torch.jit.is_tracing()
        or torch.is_grad_enabled()
        or x.device.type != "cpu"
        or x.shape[:2].numel() <= (most or _MOST_AT_ONCE)
    )


def _pieces(x: Tensor, context: Context | None) -> Iterator[Piece]:
    """Cut whole utterances, and those that are longer than a piece."""
    batch, num_frames = x.shape[:2]
    before, after = context or (0, 0)
    most = max(_FRAMES, _LEAST_SHARE * max(before, after))
    num_rows = max(1, most // max(1, num_frames))
    count = 1 if context is None else -(-num_frames // most)
    ends = [num_frames * index // count for index in range(count + 1)]
    for row in range(0, batch, num_rows):
        rows = slice(row, min(batch, row + num_rows))
        for start, stop in pairwise(ends):
            seen = slice(max(0, start - before), min(num_frames, stop + after))
            yield Piece(rows, slice(start, stop), seen)


def _of_rows(known: Any, rows: slice) -> list[Any]:
    return [] if known is None else [map_tensors(lambda each: each[rows], known)]


def _put(answered: tuple[Piece, Tensor] | None, y: Tensor) -> None:
    if answered is not None:
        piece, answer = answered
        y[piece.rows, piece.frames] = answer
