"""Convolutions over time and mel bands, each channel apart and then together."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, silu

from lact_modules.ops.subsampling import (
    Bounds,
    Kernels,
    can_fuse,
    convolve_activated,
    convolve_twice,
)


class SeparableConvolution(nn.Module):
    """A convolution of each channel, then a mixture of channels at each place.

    Of 3 x 3 values it takes a ninth of a full convolution's products or less, so that
    there may be more channels and strides (arXiv 2305.05084, sec. 2.1).

    Arguments
    ---------
    in_channels : int
        Of the input.
    out_channels : int
        Of the output.
    stride : int
        Along both axes, which become shorter by it, rounding up.

    Example
    -------
    >>> import torch
    >>> SeparableConvolution(4, 6, stride=2)(torch.randn(2, 4, 9, 10)).shape
    torch.Size([2, 6, 5, 5])
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1):
        super().__init__()
        self.depthwise = nn.Conv2d(
            in_channels, in_channels, 3, stride, padding=1, groups=in_channels
        )
        self.pointwise = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, T, M) to (B, C', T', M')."""
        return self.pointwise(self.depthwise(x))

    def mix(self, x: Tensor) -> Tensor:
        """Mix channels in the last dimension, (B, T, M, C)."""
        return linear(x, self.pointwise.weight.flatten(1), self.pointwise.bias)


def can_subsample(convolutions: nn.ModuleList, features: Tensor) -> bool:
    """Return whether `subsample_separably` can take the place of the layers.

    It can for inference on a CPU, if all behind the first, which is of one channel, are
    separable.
    """
    first, *others = convolutions
    if not others or any(type(each) is not SeparableConvolution for each in others):
        return False
    is_plain = type(first) is nn.Conv2d and first.weight.dtype == torch.float32
    return is_plain and can_fuse(features)


def subsample_separably(
    convolutions: nn.ModuleList,
    strides: Sequence[int],
    features: Tensor,
    bounds: Bounds,
) -> Tensor:
    """Apply convolutions with SiLU after each, and zeros at padding before each.

    From features (B, T, M), zero out of bounds, to (B, C, T', M'). Starts are multiples
    of all strides.
    """
    layers = [cast(SeparableConvolution, each) for each in [*convolutions][1:]]
    first = _kernels(cast(nn.Conv2d, convolutions[0]), strides[0])
    bounds = bounds.after(first.stride)
    x: Tensor | None = None
    for layer, stride in zip(layers, strides[1:], strict=True):
        kernels = _kernels(layer.depthwise, stride)
        if x is None:
            x = convolve_twice(features, first, bounds, kernels)
        else:
            x = convolve_activated(x, bounds, kernels)
        x, bounds = layer.mix(x), bounds.after(stride)
    assert x is not None
    # (B, T, M, C) -> (B, C, T, M)
    return silu(x).permute(0, 3, 1, 2)


def _kernels(convolution: nn.Conv2d, stride: int) -> Kernels:
    assert convolution.bias is not None
    return Kernels(convolution.weight, convolution.bias, stride)
