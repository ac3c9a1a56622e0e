"""Frames to heads: activated, of unit length and rotated, in one pass on a CPU."""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn.functional import normalize, silu

from lact_modules.ops.native import call_native, is_for_native, load_native
from lact_modules.ops.rotary import Rotation, rotate


class Activation(NamedTuple):
    """SiLU of each channel, scaled and moved.

    Arguments
    ---------
    scale : Tensor
        (C,)
    offset : Tensor
        (C,)
    """

    scale: Tensor
    offset: Tensor


def split_heads(
    x: Tensor,
    num_heads: int,
    activation: Activation | None = None,
    unit: bool = False,
    rotation: Rotation | None = None,
) -> Tensor:
    """Bring heads before frames, and change each frame as is wanted, in this order.

    In C++ for float32 on a CPU that has a compiler; gradients, of any order, are the
    same.

    Arguments
    ---------
    x : Tensor
        (B, T, C)
    num_heads : int
        H, which divides C.
    activation : Activation | None
        Of C channels.
    unit : bool
        Divide the channels of a head by their L2 norm.
    rotation : Rotation | None
        Of T frames of C / H channels.

    Returns
    -------
    Tensor
        (B, H, T, C / H)

    Example
    -------
    >>> heads = split_heads(torch.randn(2, 5, 12), num_heads=3, unit=True)
    >>> heads.shape, torch.allclose(heads.norm(dim=-1), torch.ones(2, 3, 5))
    (torch.Size([2, 3, 5, 4]), True)
    """
    options = (
        num_heads,
        unit,
        *(activation or (None, None)),
        *(rotation or (None, None)),
    )
    if is_for_native(x) and _library() is not None:
        return _SplitHeads.apply(x, *options)
    return _split_heads(x, *options)


def _split_heads(
    x: Tensor,
    num_heads: int,
    unit: bool,
    scale: Tensor | None,
    offset: Tensor | None,
    cosine: Tensor | None,
    sine: Tensor | None,
) -> Tensor:
    """Do in PyTorch what `split_heads` says."""
    if scale is not None and offset is not None:
        x = silu(x * scale + offset)
    # (B, T, H D) -> (B, H, T, D)
    x = x.unflatten(-1, (num_heads, -1)).transpose(1, 2)
    if unit:
        x = normalize(x, dim=-1)
    if cosine is not None and sine is not None:
        x = rotate(x, Rotation(cosine, sine))
    return x


class _SplitHeads(Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, num_heads: int, unit: bool, *tables: Tensor | None
    ) -> Tensor:
        batch, num_frames, width = x.shape
        # frames at equal distances, as in a part of a wider projection
        if x.stride(2) != 1 or x.stride(0) != num_frames * x.stride(1):
            x = x.contiguous()
        tables = tuple(None if each is None else each.contiguous() for each in tables)
        ctx.save_for_backward(x, *tables)
        ctx.options = num_heads, unit
        size = width // num_heads
        ctx.sizes = batch, num_frames, x.stride(1), num_heads, size, int(unit)
        y = x.new_empty(batch, num_heads, num_frames, size)
        _call("heads_forward", [x, *tables, y], ctx.sizes)
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, *tables = ctx.saved_tensors
        if torch.is_grad_enabled():
            # gradients of gradients are wanted
            return _differentiate(ctx, grad, x, tables)
        grad_x = x.new_empty(x.shape)
        grad_affine = x.new_zeros(2, len(x), x.shape[2])
        outputs = [grad_x, *grad_affine]
        _call("heads_backward", [grad.contiguous(), x, *tables, *outputs], ctx.sizes)
        affine = (None, None) if tables[0] is None else grad_affine.sum(1)
        return grad_x, None, None, *affine, None, None


def _differentiate(
    ctx: Any, grad: Tensor, x: Tensor, tables: list[Tensor | None]
) -> tuple[Tensor | None, ...]:
    """Give gradients that can be differentiated themselves."""
    inputs = (x, None, None, *tables)
    wanted = [
        each
        for each, is_needed in zip(inputs, ctx.needs_input_grad, strict=True)
        if each is not None and is_needed
    ]
    y = _split_heads(x, *ctx.options, *tables)
    found = iter(torch.autograd.grad(y, wanted, grad, create_graph=True))
    return tuple(next(found) if needed else None for needed in ctx.needs_input_grad)


def _call(function: str, tensors: list[Tensor | None], sizes: tuple[int, ...]) -> None:
    library = _library()
    assert library is not None
    call_native(library, function, tensors, sizes)


def _library() -> Any:
    return load_native("heads.cpp")
