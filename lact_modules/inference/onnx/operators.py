"""Operators of PyTorch in the form that onnxruntime is fast at.

What each does is the same; which form takes how long was measured on a CPU.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

# e**_LEAST is nothing beside e**0; what is below, or less times a value, is a denormal
# number, which takes a CPU several times as long
_LEAST = -50.0


class Rewritten(TorchFunctionMode):
    """Where this is active, PyTorch's functions are called in those forms."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        return _FORMS.get(func, func)(*args, **(kwargs or {}))


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Take frames as rows: a bias is then added in the same operation."""
    if bias is None:
        bias = weight.new_zeros(len(weight))
    rows = torch.addmm(bias, x.flatten(0, -2), weight.mT)
    return rows.unflatten(0, x.shape[:-1])


def _layer_norm(
    x: Tensor,
    shape: list[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Take frames as rows: a sum before would be merged with it, and be slower."""
    rows = functional.layer_norm(x.flatten(0, -2), shape, weight, bias, eps)
    return rows.unflatten(0, x.shape[:-1])


def _attention(
    q: Tensor, k: Tensor, v: Tensor, attn_mask: Tensor | None = None, **options: Any
) -> Tensor:
    """Attend without a guard of rows that see nothing, and without denormal numbers.

    With a scale, a causal mask or dropout it is PyTorch's own.
    """
    if any(options.values()):
        return functional.scaled_dot_product_attention(q, k, v, attn_mask, **options)
    scores = (q * q.shape[-1] ** -0.5) @ k.mT
    if attn_mask is not None:
        if attn_mask.dtype == torch.bool:
            attn_mask = torch.where(attn_mask, 0.0, -torch.inf)
        scores = scores + attn_mask
    below = scores - scores.amax(-1, keepdim=True)
    return below.clamp(min=_LEAST).softmax(-1) @ v


def _convolve(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, *more: Any, **options: Any
) -> Tensor:
    """Convolve in two dimensions: in one, onnxruntime has no fast kernel.

    With a stride, padding or dilation, which have one value a dimension, it is
    PyTorch's own.
    """
    if more or options.keys() - {"groups"}:
        return torch.conv1d(x, weight, bias, *more, **options)
    return torch.conv2d(x[:, :, None], weight[:, :, None], bias, **options)[:, :, 0]


def _normalize(x: Tensor, p: float, dim: int, eps: float, **_: Any) -> Tensor:
    """Divide by a norm that is not repeated for each channel before."""
    return x / x.norm(p, dim, keepdim=True).clamp(min=eps)


def _log_sum_exp(x: Tensor, dim: int, keepdim: bool = False) -> Tensor:
    """Take it step by step; the operation for it takes seven times as long."""
    highest = x.amax(dim, keepdim=True)
    total = (x - highest).exp().sum(dim, keepdim=True).log() + highest
    return total if keepdim else total.squeeze(dim)


_FORMS: dict[Callable[..., Any], Callable[..., Any]] = {
    functional.linear: _linear,
    functional.layer_norm: _layer_norm,
    functional.scaled_dot_product_attention: _attention,
    functional.normalize: _normalize,
    functional.conv1d: _convolve,
    Tensor.logsumexp: _log_sum_exp,
}
