"""Rotary position embedding (arXiv 2104.09864)."""

import functools
import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

# frames that a table is made for at least
_TABLE = 1024


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
    first: int | Tensor,
    num_frames: int,
    size: int,
    like: Tensor,
    base: float = 10000.0,
) -> Rotation:
    """Return the rotation of frames, by angles that grow with their positions.

    The last ones are cached, so that layers of one encoder share them.

    Arguments
    ---------
    first : int | Tensor
        A tensor without dimensions in an exported step of a stream.
    num_frames : int
        T
    size : int
        D, even.
    like : Tensor
        Of the requested device and dtype.
    base : float
        The slowest pair turns once in about ``2 pi base`` frames.

    Returns
    -------
    Rotation
        For `rotate`.
    """
    arguments = first, num_frames, size, like.device, like.dtype, base
    # traced tensors belong to a graph, and fake ones have no memory
    if (
        isinstance(first, Tensor)
        or torch.compiler.is_compiling()
        or torch.jit.is_tracing()
        or type(like) not in (Tensor, torch.nn.Parameter)
    ):
        return _make(*arguments)
    # whole tables, so that pieces and chunks of an utterance share them
    begin = first // _TABLE * _TABLE
    end = -(-(first + num_frames) // _TABLE) * _TABLE
    table = _make_cached(begin, end - begin, *arguments[2:])
    here = slice(first - begin, first - begin + num_frames)
    return Rotation(table.cosine[here], table.sine[here])


# one for each size of heads; tables of long recordings take megabytes
@functools.lru_cache(maxsize=2)
def _make_cached(*arguments: Any) -> Rotation:
    # training could not use tensors made in inference mode
    with torch.inference_mode(False):
        return _make(*arguments)


def _make(
    first: int | Tensor,
    num_frames: int,
    size: int,
    device: torch.device,
    dtype: torch.dtype,
    base: float,
) -> Rotation:
    half = size // 2
    # float64: hours of audio have positions whose angles float32 cannot hold
    positions = (torch.arange(num_frames, device=device) + first).double()
    exponents = torch.arange(half, device=device).double() / half
    angles = positions[:, None] * base**-exponents
    if torch.compiler.is_exporting():
        # not every runtime has a cosine of float64; whole turns change nothing
        turn = 2 * math.pi
        angles = (angles - (angles / turn).long().double() * turn).float()
    return Rotation(angles.cos().to(dtype), angles.sin().to(dtype))


def rotate(x: Tensor, rotation: Rotation) -> Tensor:
    """Turn pairs of channels, which are half of the channels apart.

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
