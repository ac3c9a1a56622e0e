"""Dropout that draws no number for each element, and keeps no mask, on a CPU."""

from typing import Any

import torch
from torch import Tensor

from lact_modules.ops.cpu.fused import call_fused, has_fused

_SOURCE = "dropout.cpp"
_RANGE = 2**32


def dropout(x: Tensor, prob: float) -> Tensor:
    """Zero elements at random, and scale the others up, for training.

    On a CPU one number is drawn from torch's generator, and a hash of it and of its
    place decides about each element, forward and again backward: that takes a tenth of
    the time of `torch.nn.functional.dropout`, and no memory.

    Arguments
    ---------
    x : Tensor
        (...), any floating dtype.
    prob : float
        Share of the elements that become 0.

    Returns
    -------
    Tensor
        (...)

    Example
    -------
    >>> dropped = dropout(torch.ones(9999), 0.5)
    >>> dropped.unique(), round(dropped.mean().item(), 1)
    (tensor([0., 2.]), 1.0)
    """
    if not 0.0 < prob < 1.0 or not has_fused(x, _SOURCE):
        return torch.nn.functional.dropout(x, prob)
    seed = int(torch.randint(2**62, ()))
    # the hash below which an element becomes 0
    threshold = min(round(prob * _RANGE), _RANGE - 1)
    return _Dropout.apply(x, seed, threshold)


class _Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, *drawn: int) -> Tensor:
        ctx.drawn = drawn
        x = x.contiguous()
        y = torch.empty_like(x)
        call_fused("dropout", [x, y], [x.numel(), *drawn], _SOURCE)
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        # linear in x
        return _Dropout.apply(grad, *ctx.drawn), None, None
