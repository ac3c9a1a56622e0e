"""Depthwise convolutions of planes, with the steps before them, in one pass on a CPU.

Between layers, SiLU and zeros at padding are applied. Each band of each frame would be
written and read several times; here some frames of some channels stay in a cache.
Gradients are not computed.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from lact_modules.ops.cpu.fused import call_fused, has_fused
from lact_modules.ops.padding import padding_mask

_SOURCE = "subsampling.cpp"


class Kernels(NamedTuple):
    """A kernel of 3 x 3 for each channel, and how far apart it is applied.

    Arguments
    ---------
    weight : Tensor
        (C, 1, 3, 3)
    bias : Tensor
        (C,)
    stride : int
        Along both axes; a zero surrounds them.
    """

    weight: Tensor
    bias: Tensor
    stride: int


class Bounds(NamedTuple):
    """Which frames are valid; others count as 0.

    Arguments
    ---------
    starts : Tensor | None
        (B,) the first, int64; None: 0.
    stops : Tensor
        (B,) the one behind the last, int64.
    """

    starts: Tensor | None
    stops: Tensor

    def after(self, stride: int) -> "Bounds":
        """Return them for every so many frames as one; a part counts."""
        starts = None if self.starts is None else self.starts // stride
        return Bounds(starts, (self.stops + stride - 1) // stride)

    def arrays(self) -> list[Tensor | None]:
        """Return them as C++ reads them."""
        return [None if each is None else each.long().contiguous() for each in self]

    def mark(self, num_frames: int) -> Tensor:
        """Mark the valid frames (B, num_frames)."""
        is_valid = ~padding_mask(self.stops, num_frames)
        if self.starts is None:
            return is_valid
        return is_valid & padding_mask(self.starts, num_frames)


def can_fuse(x: Tensor) -> bool:
    """Return whether the functions of this file can take a tensor.

    Arguments
    ---------
    x : Tensor
        Any.

    Returns
    -------
    bool
        See `has_fused`; False where gradients may be needed, and in autocast.

    Example
    -------
    >>> can_fuse(torch.zeros(1))
    False
    """
    if torch.is_grad_enabled() or torch.is_autocast_enabled("cpu"):
        return False
    return has_fused(x, _SOURCE)


def convolve_activated(x: Tensor, bounds: Bounds, kernels: Kernels) -> Tensor:
    """Convolve SiLU of valid frames, each channel by itself.

    Arguments
    ---------
    x : Tensor
        (B, T, M, C), for which `can_fuse` is true.
    bounds : Bounds
        Of x.
    kernels : Kernels
        Of C channels.

    Returns
    -------
    Tensor
        (B, T', M', C), both axes shorter by the stride, rounding up.
    """
    weight, bias, stride = kernels
    y = x.new_empty(len(x), *_strided(x.shape[1:3], stride), len(weight))
    given = [each.contiguous() for each in (x, weight, bias)]
    tensors = [*given, *bounds.arrays(), y]
    sizes = *x.shape, stride, y.shape[1]
    call_fused("depthwise_of_silu", tensors, sizes, _SOURCE)
    return y


def convolve_twice(
    planes: Tensor, first: Kernels, bounds: Bounds, kernels: Kernels
) -> Tensor:
    """Convolve planes by a kernel for each channel, then as `convolve_activated`.

    Arguments
    ---------
    planes : Tensor
        (B, T, M), zero at padding, for which `can_fuse` is true.
    first : Kernels
        From one channel to C.
    bounds : Bounds
        Of what `first` makes.
    kernels : Kernels
        Of C channels.

    Returns
    -------
    Tensor
        (B, T', M', C), both axes shorter by both strides, rounding up.
    """
    inner = _strided(planes.shape[1:], first.stride)
    shape = _strided(inner, kernels.stride)
    padded = pad(planes, (1, 1, 1, 1))
    y = planes.new_empty(len(planes), *shape, len(first.weight))
    parameters = first.weight, first.bias, kernels.weight, kernels.bias
    weights = [each.contiguous() for each in parameters]
    sizes = *padded.shape, y.shape[3], first.stride, kernels.stride, y.shape[1]
    tensors = [padded, *weights, *bounds.arrays(), y]
    call_fused("depthwise_of_first", tensors, sizes, _SOURCE)
    return y


def _strided(shape: torch.Size | list[int], stride: int) -> list[int]:
    return [-(-size // stride) for size in shape]
