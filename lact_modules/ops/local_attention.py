"""Attention to near keys in C++, for float32 on a CPU; see `attention.py`."""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import Function, once_differentiable

from lact_modules.ops.fused import call_fused, has_fused
from lact_modules.ops.padding import is_known_whole

_SOURCE = "local_attention.cpp"


class Sight(NamedTuple):
    """Which keys each query may see: those of one run that are no padding, and itself.

    Arguments
    ---------
    first : Tensor
        (T,) int64, the first key of the run.
    stop : Tensor
        (T,) int64, the first after it.
    """

    first: Tensor
    stop: Tensor


def has_native_attention(q: Tensor, dropout: float) -> bool:
    """Tell whether `native_attention` can take this input.

    Arguments
    ---------
    q : Tensor
        Any.
    dropout : float
        Of attention weights.

    Returns
    -------
    bool
        False with dropout, and where `has_fused` says so.
    """
    return not dropout and q.numel() > 0 and has_fused(q, _SOURCE)


def native_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    is_padding: Tensor,
    sight: Sight,
) -> Tensor:
    """Attend in blocks that a cache holds; memory grows with the frames alone.

    Arguments
    ---------
    q : Tensor
        (B, T, H, D) float32 on the CPU, as `k` and `v`.
    k : Tensor
        (B, S, H, D), the last T of which belong to the queries.
    v : Tensor
        (B, S, H, D)
    is_padding : Tensor
        (B, S) bool, True at padding.
    sight : Sight
        Which keys queries see, themselves among them.

    Returns
    -------
    Tensor
        (B, T, H, D)
    """
    return _Attention.apply(q, k, v, is_padding, sight)


class _Attention(Function):
    @staticmethod
    def forward(
        ctx: Any,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        is_padding: Tensor,
        sight: Sight,
    ) -> Tensor:
        q, k, v = (x if x.stride(-1) == 1 else x.contiguous() for x in (q, k, v))
        batch, frames, heads, size = q.shape
        y, total = q.new_empty(q.shape), q.new_empty(batch, heads, frames)
        strides = _strides(q, k, v)
        where = None if is_known_whole(is_padding) else is_padding.contiguous()
        inputs = [q, k, v, strides, where, *sight]
        ctx.save_for_backward(*inputs, y, total)
        ctx.sizes = batch, frames, k.shape[1], heads, size
        call_fused("attention_forward", [*inputs, y, total], ctx.sizes, _SOURCE)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, _, *rest = ctx.saved_tensors
        # in the order in which heads and frames stand
        grads = torch.empty_like(q), torch.zeros_like(k), torch.zeros_like(v)
        strides = _strides(q, k, v, *grads)
        tensors = [grad.contiguous(), q, k, v, strides, *rest, *grads]
        call_fused("attention_backward", tensors, ctx.sizes, _SOURCE)
        return *grads, None, None


def _strides(*tensors: Tensor) -> Tensor:
    return torch.tensor([x.stride()[:3] for x in tensors])
