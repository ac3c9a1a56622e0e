"""Frames that are taken by themselves, some at a time."""

from collections.abc import Callable

import torch
from torch import Tensor

# of a feed-forward layer's hidden units, so many frames take some megabytes
_FRAMES = 1024


def by_pieces(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Call a function that changes each frame by itself.

    On a CPU, where no gradients are kept, it gets some frames at a time: what it makes
    in between is then small, whatever the length.

    Arguments
    ---------
    function : Callable[[Tensor], Tensor]
        Of (..., D) to (..., E).
    x : Tensor
        (B, T, D)

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
    if (
        torch.is_grad_enabled()
        or x.device.type != "cpu"
        or x.shape[:-1].numel() <= _FRAMES
        or torch.compiler.is_compiling()
        or torch.jit.is_tracing()
    ):
        return function(x)
    frames = x.flatten(0, -2)
    first = function(frames[:_FRAMES])
    y = first.new_empty(len(frames), first.shape[-1])
    y[:_FRAMES] = first
    for start in range(_FRAMES, len(frames), _FRAMES):
        y[start : start + _FRAMES] = function(frames[start : start + _FRAMES])
    return y.unflatten(0, x.shape[:-1])
