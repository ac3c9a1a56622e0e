"""Rotary position embedding."""

import torch
from torch import Tensor


def rotate(x: Tensor, positions: Tensor, base: float = 10000.0) -> Tensor:
    """Turn pairs of channels by angles that grow with the position (arXiv 2104.09864).

    Inner products of rotated vectors depend on the distance of their positions.

    Arguments
    ---------
    x : Tensor
        (B, T, H, D), D even.
    positions : Tensor
        (T,) frame indices, int64.
    base : float
        The slowest pair turns once in about ``2 pi base`` frames.

    Returns
    -------
    Tensor
        (B, T, H, D), same dtype.

    Example
    -------
    >>> x = torch.randn(1, 3, 2, 8)
    >>> torch.allclose(rotate(x, torch.zeros(3, dtype=torch.int64)), x)
    True
    """
    half = x.shape[-1] // 2
    # float64: hours of audio have positions whose angles float32 cannot hold
    exponents = torch.arange(half, device=x.device, dtype=torch.float64) / half
    angles = positions[:, None, None] * base**-exponents
    cos, sin = angles.cos(), angles.sin()
    cos = torch.cat([cos, cos], dim=-1).to(x.dtype)
    sin = torch.cat([-sin, sin], dim=-1).to(x.dtype)
    # the halves of a pair stand half the channels apart
    return torch.addcmul(x * cos, x.roll(half, dims=-1), sin)
