"""Attention to near keys in C++, for float32 on a CPU; see `ops/attention.py`."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn.attention import SDPBackend, sdpa_kernel

from lact_modules.ops.cpu.fused import call_fused, differentiate, has_fused
from lact_modules.ops.padding import is_known_whole
from lact_modules.ops.rotary import Rotation

_SOURCE = "local_attention.cpp"

Attend = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Computes the output from queries, keys and values."""


class Sight(NamedTuple):
    """Which keys each query may see: (T,) int64, first and behind the last.

    They are those of the run that are no padding, and its own.
    """

    first: Tensor
    stop: Tensor


def has_native_attention(q: Tensor, dropout: float) -> bool:
    """Return whether `native_attention` can take this input; with dropout it cannot."""
    return not dropout and q.numel() > 0 and has_fused(q, _SOURCE)


def native_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    is_padding: Tensor,
    sight: Sight,
    written: Attend,
    rotation: Rotation | None = None,
) -> Tensor:
    """Attend in blocks that a cache holds; memory grows with the frames alone.

    Queries (B, T, H, D) belong to the last T of S keys, all float32 on the CPU; each is
    among those it has in `sight`. `written` does the same in PyTorch, for gradients of
    gradients; `rotation` turns keys, and their queries, before.
    """
    return _Attention.apply(q, k, v, is_padding, sight, written, rotation)


class _Attention(Function):
    @staticmethod
    def forward(
        ctx: Any,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        is_padding: Tensor,
        sight: Sight,
        written: Attend,
        rotation: Rotation | None,
    ) -> Tensor:
        batch, frames, heads, size = q.shape
        y, total = q.new_empty(q.shape), q.new_empty(batch, heads, frames)
        where = None if is_known_whole(is_padding) else is_padding.contiguous()
        turns = rotation or (None, None)
        ctx.save_for_backward(q, k, v, where, *sight, *turns, y, total)
        ctx.sizes = batch, frames, k.shape[1], heads, size
        ctx.written = written
        q, k, v = map(_with_whole_rows, (q, k, v))
        tensors = [q, k, v, _strides(q, k, v), where, *sight, *turns, y, total]
        call_fused("attention_forward", tensors, ctx.sizes, _SOURCE)
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, *rest = ctx.saved_tensors
        if torch.is_grad_enabled():
            # other kernels have no second derivative
            with sdpa_kernel(SDPBackend.MATH):
                return differentiate(
                    lambda q, k, v, *_: ctx.written(q, k, v),
                    (q, k, v, None, None, None, None),
                    ctx,
                    grad,
                )
        q, k, v = map(_with_whole_rows, (q, k, v))
        # in the order of heads and frames in memory
        grads = torch.empty_like(q), torch.zeros_like(k), torch.zeros_like(v)
        strides = _strides(q, k, v, *grads)
        tensors = [grad.contiguous(), q, k, v, strides, *rest, *grads]
        call_fused("attention_backward", tensors, ctx.sizes, _SOURCE)
        return *grads, None, None, None, None


def _with_whole_rows(x: Tensor) -> Tensor:
    return x if x.stride(-1) == 1 else x.contiguous()


def _strides(*tensors: Tensor) -> Tensor:
    return torch.tensor([x.stride()[:3] for x in tensors])
