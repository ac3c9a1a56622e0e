"""Convolution over time of each channel by itself."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import conv1d, pad

from lact_modules.ops.cpu.fused import call_fused, differentiate, has_fused

_SOURCE = "depthwise.cpp"


def convolve_frames(
    x: Tensor, weight: Tensor, bias: Tensor | None, context: tuple[int, int]
) -> Tensor:
    """Convolve each channel with a kernel of its own; zeros surround the frames.

    Arguments
    ---------
    x : Tensor
        (B, T, C), any floating dtype.
    weight : Tensor
        (C, 1, K), as a depthwise `torch.nn.Conv1d` has it.
    bias : Tensor | None
        (C,)
    context : tuple[int, int]
        How many zeros are before and after the frames.

    Returns
    -------
    Tensor
        (B, T + left + right - K + 1, C)

    Example
    -------
    >>> x, weight = torch.ones(1, 3, 1), torch.tensor([[[1.0, 10.0]]])
    >>> convolve_frames(x, weight, torch.zeros(1), (1, 0)).flatten()
    tensor([10., 11., 11.])
    """
    if has_fused(x, _SOURCE) and weight.dtype == x.dtype:
        bias = None if bias is None else bias.contiguous()
        return _Depthwise.apply(x.contiguous(), weight.contiguous(), bias, context)
    return _convolve(x, weight, bias, context)


def _convolve(
    x: Tensor, weight: Tensor, bias: Tensor | None, context: tuple[int, int]
) -> Tensor:
    # (B, T, C) -> (B, C, T) and back
    return conv1d(pad(x.mT, context), weight, bias, groups=len(weight)).mT


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        context: tuple[int, int],
    ) -> Tensor:
        ctx.save_for_backward(x, weight, bias)
        ctx.context = context
        return _correlate(x, weight, bias, context)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias = ctx.saved_tensors
        if torch.is_grad_enabled():
            inputs = x, weight, bias, ctx.context
            return differentiate(_convolve, inputs, ctx, grad)
        grad, last = grad.contiguous(), weight.shape[-1] - 1
        (left, right), grad_x = ctx.context, None
        if ctx.needs_input_grad[0]:
            around = last - left, last - right
            grad_x = _correlate(grad, weight.flip(-1), None, around)
        grad_weight = torch.empty_like(weight)
        sizes = *x.shape, last + 1, left, grad.shape[1]
        call_fused("depthwise_weight", [x, grad, grad_weight], sizes, _SOURCE)
        grad_bias = grad.sum((0, 1)) if ctx.needs_input_grad[2] else None
        return grad_x, grad_weight, grad_bias, None


def _correlate(
    x: Tensor, weight: Tensor, bias: Tensor | None, context: tuple[int, int]
) -> Tensor:
    (batch, frames, channels), taps = x.shape, weight.shape[-1]
    y = x.new_empty(batch, frames + sum(context) - taps + 1, channels)
    sizes = batch, frames, channels, taps, context[0], y.shape[1]
    call_fused("depthwise_forward", [x, weight, bias, y], sizes, _SOURCE)
    return y
