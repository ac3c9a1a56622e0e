"""The gated activation of SwiGLU (arXiv 2002.05202), in one pass on a CPU."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import silu

from lact_modules.ops.cpu.fused import call_fused, differentiate, has_fused


def gate(x: Tensor) -> Tensor:
    """Multiply the second half of the channels by SiLU of the first.

    Arguments
    ---------
    x : Tensor
        (..., 2 F), any floating dtype.

    Returns
    -------
    Tensor
        (..., F)

    Example
    -------
    >>> gate(torch.tensor([100.0, 0.0, 2.0, 3.0]))
    tensor([200.,   0.])
    """
    return _Gate.apply(x.contiguous()) if has_fused(x) else _gate(x)


def _gate(x: Tensor) -> Tensor:
    opening, value = x.chunk(2, dim=-1)
    return silu(opening) * value


class _Gate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        size = x.shape[-1] // 2
        y = x.new_empty(*x.shape[:-1], size)
        call_fused("gate_forward", [x, y], [x.shape[:-1].numel(), size])
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor | None:
        (x,) = ctx.saved_tensors
        if torch.is_grad_enabled():
            return differentiate(_gate, [x], ctx, grad)[0]
        grad_x = torch.empty_like(x)
        sizes = [x.shape[:-1].numel(), x.shape[-1] // 2]
        call_fused("gate_backward", [grad.contiguous(), x, grad_x], sizes)
        return grad_x
