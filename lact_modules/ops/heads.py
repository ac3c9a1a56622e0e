"""From frames to heads and back, each in one pass on a CPU."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn.functional import normalize, rms_norm, silu

from lact_modules.ops.cpu.fused import call_fused, differentiate, has_fused, in_rows
from lact_modules.ops.rotary import Rotation, rotate

# Sums over frames that threads take apart; a constant, so that more threads give the
# same gradients.
_GROUPS = 4

RMS_EPSILON = 1e-5
"""Added to the mean square of a head, here and in ``fused.cpp``."""


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


class Part(NamedTuple):
    """How a run of channels is changed, in this order, while heads come before frames.

    Arguments
    ---------
    activation : Activation | None
        Of its channels.
    unit : bool
        Divide the channels of a head by their L2 norm.
    rotation : Rotation | None
        Of its frames and the channels of a head.
    """

    activation: Activation | None = None
    unit: bool = False
    rotation: Rotation | None = None

    @property
    def tables(self) -> tuple[Tensor | None, ...]:
        """Scale, offset, cosine and sine."""
        return *(self.activation or (None, None)), *(self.rotation or (None, None))


def split_heads(x: Tensor, num_heads: int, parts: Sequence[Part]) -> tuple[Tensor, ...]:
    """Move heads before frames, and change each frame as requested.

    Arguments
    ---------
    x : Tensor
        (B, T, N C), such as queries, keys and values.
    num_heads : int
        H of each part, which divides C.
    parts : Sequence[Part]
        N of them.

    Returns
    -------
    tuple[Tensor, ...]
        N times (B, H, T, C / H)

    Example
    -------
    >>> x = torch.randn(2, 5, 24)
    >>> a, b = split_heads(x, num_heads=3, parts=[Part(unit=True), Part()])
    >>> a.shape, torch.allclose(a.norm(dim=-1), torch.ones(2, 3, 5))
    (torch.Size([2, 3, 5, 4]), True)
    """
    tables = [table for part in parts for table in part.tables]
    units = tuple(part.unit for part in parts)
    if not has_fused(x):
        return _split_heads(x, num_heads, units, *tables)
    whole = [None if table is None else table.contiguous() for table in tables]
    return _SplitHeads.apply(in_rows(x), num_heads, units, *whole)


def _split_heads(
    x: Tensor, num_heads: int, units: tuple[bool, ...], *tables: Tensor | None
) -> tuple[Tensor, ...]:
    return tuple(
        _split_part(part, num_heads, unit, *tables[4 * index : 4 * index + 4])
        for index, (part, unit) in enumerate(
            zip(x.chunk(len(units), dim=-1), units, strict=True)
        )
    )


def _split_part(
    x: Tensor,
    num_heads: int,
    unit: bool,
    scale: Tensor | None,
    offset: Tensor | None,
    cosine: Tensor | None,
    sine: Tensor | None,
) -> Tensor:
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
        ctx: Any,
        x: Tensor,
        num_heads: int,
        units: tuple[bool, ...],
        *tables: Tensor | None,
    ) -> tuple[Tensor, ...]:
        batch, num_frames, width = x.shape
        ctx.save_for_backward(x, *tables)
        ctx.options = num_heads, units
        size = width // len(units) // num_heads
        ctx.sizes = batch, num_frames, x.stride(1), num_heads, size
        heads = []
        for index, part in enumerate(x.chunk(len(units), dim=-1)):
            y = x.new_empty(batch, num_heads, num_frames, size)
            tensors = [part, *tables[4 * index : 4 * index + 4], y]
            call_fused("heads_forward", tensors, [*ctx.sizes, int(units[index])])
            heads.append(y)
        return tuple(heads)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, *tables = ctx.saved_tensors
        if torch.is_grad_enabled():
            return differentiate(_split_heads, (x, *ctx.options, *tables), ctx, grads)
        _, units = ctx.options
        grad_x = x.new_empty(x.shape)
        width = x.shape[2] // len(units)
        of_tables: list[Tensor | None] = []
        for index, grad in enumerate(grads):
            here = slice(width * index, width * (index + 1))
            scale, *others = tables[4 * index : 4 * index + 4]
            affine = x.new_zeros(2, len(x) * _GROUPS, width)
            tensors = [grad.contiguous(), x[..., here], scale, *others]
            sizes = [*ctx.sizes, int(units[index]), grad_x.stride(1), _GROUPS]
            call_fused("heads_backward", [*tensors, grad_x[..., here], *affine], sizes)
            summed = (None, None) if scale is None else affine.sum(1)
            of_tables += [*summed, None, None]
        return grad_x, None, None, *of_tables


def join_heads(x: Tensor, weight: Tensor, opening: Tensor) -> Tensor:
    """Divide heads by their root mean square, gate them, and bring frames before them.

    Arguments
    ---------
    x : Tensor
        (B, H, T, D)
    weight : Tensor
        (D,), by which channels are multiplied (arXiv 1910.07467).
    opening : Tensor
        (B, T, H), whose SiLU multiplies a head.

    Returns
    -------
    Tensor
        (B, T, H D)

    Example
    -------
    >>> x, opening = torch.ones(2, 3, 5, 4), torch.full((2, 5, 3), 100.0)
    >>> join_heads(x, 0.5 * torch.ones(4), opening).round()[0, 0, 0]
    tensor(50.)
    """
    if has_fused(x) and x.dtype == opening.dtype == weight.dtype:
        return _JoinHeads.apply(*(each.contiguous() for each in (x, weight, opening)))
    return _join_heads(x, weight, opening)


def _join_heads(x: Tensor, weight: Tensor, opening: Tensor) -> Tensor:
    # (B, H, T, D) -> (B, T, H, D)
    # torch warns of a weight of another dtype
    normal = rms_norm(x.transpose(1, 2), weight.shape, weight.to(x.dtype), RMS_EPSILON)
    return (normal * silu(opening)[..., None]).flatten(2)


class _JoinHeads(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, opening: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight, opening)
        batch, heads, num_frames, size = x.shape
        ctx.sizes = batch, num_frames, heads, size
        y = x.new_empty(batch, num_frames, heads * size)
        call_fused("join_forward", [x, weight, opening, y], ctx.sizes)
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, opening = ctx.saved_tensors
        if torch.is_grad_enabled():
            return differentiate(_join_heads, (x, weight, opening), ctx, grad)
        grad_x, grad_opening = torch.empty_like(x), torch.empty_like(opening)
        grad_weight = x.new_zeros(*x.shape[:2], x.shape[-1])
        tensors = [grad.contiguous(), x, weight, opening]
        tensors += [grad_x, grad_weight, grad_opening]
        call_fused("join_backward", tensors, ctx.sizes)
        return grad_x, grad_weight.sum((0, 1)), grad_opening
