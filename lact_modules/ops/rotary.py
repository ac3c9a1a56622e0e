"""Rotary position embedding (arXiv 2104.09864)."""

from typing import NamedTuple

import torch
from torch import Tensor


class Rotation(NamedTuple):
    """By how much each pair of channels is turned, frame by frame.

    Arguments
    ---------
    cosine : Tensor
        (T, D / 2) of the angles.
    sine : Tensor
        (T, D / 2)
    """

    cosine: Tensor
    sine: Tensor


def make_rotation(
    first: int,
    num_frames: int,
    size: int,
    like: Tensor,
    base: float = 10000.0,
) -> Rotation:
    """Give the rotation of frames, by angles that grow with their positions.

    Arguments
    ---------
    first : int
        Position of the first frame.
    num_frames : int
        T
    size : int
        D, even.
    like : Tensor
        Whose device and dtype is wanted.
    base : float
        The slowest pair turns once in about ``2 pi base`` frames.

    Returns
    -------
    Rotation
        For `rotate`.
    """
    half = size // 2
    # float64: hours of audio have positions whose angles float32 cannot hold
    positions = torch.arange(first, first + num_frames, device=like.device).double()
    exponents = torch.arange(half, device=like.device).double() / half
    angles = positions[:, None] * base**-exponents
    return Rotation(angles.cos().to(like.dtype), angles.sin().to(like.dtype))


def rotate(x: Tensor, rotation: Rotation) -> Tensor:
    """Turn pairs of channels, which stand half of the channels apart.

    Inner products of rotated vectors depend on the distance of their positions.

    Arguments
    ---------
    x : Tensor
        (..., T, D), D even.
    rotation : Rotation
        Of T frames of D channels.

    Returns
    -------
    Tensor
        (..., T, D), same dtype.

    Example
    -------
    >>> x = torch.randn(1, 2, 3, 8)
    >>> turned = rotate(x, make_rotation(0, 3, 8, like=x))
    >>> torch.equal(turned[..., 0, :], x[..., 0, :]), torch.equal(turned, x)
    (True, False)
    """
    cosine, sine = rotation
    cosine, sine = torch.cat([cosine, cosine], -1), torch.cat([-sine, sine], -1)
    return torch.addcmul(x * cosine, x.roll(x.shape[-1] // 2, dims=-1), sine)
