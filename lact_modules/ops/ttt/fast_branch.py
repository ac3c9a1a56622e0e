"""Fast weights that learn from all frames of a projection, and answer them.

On a CPU each is one pass over memory, forward and back: keys, queries and hidden units
stay in a cache, and the backward pass makes them again. Elsewhere, and where a step
moves more than ``down``, it is what heads, fast weights and gates are in PyTorch.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from lact_modules.ops.cpu.fused import call_fused, differentiate, has_fused, in_rows
from lact_modules.ops.heads import Activation, Part, join_heads, split_heads
from lact_modules.ops.padding import is_known_whole, zero_padding
from lact_modules.ops.rotary import Rotation
from lact_modules.ops.ttt.fast_weight import (
    FastWeight,
    Updated,
    apply_fast_weight,
    descent_direction,
    hidden_units,
)

_SOURCE = "fast_branch.cpp"
# frames of a segment, whose sums are added here; as in C++
_SEGMENT = 1024


def learn_frames(
    kv: Tensor,
    rates: Tensor,
    weight: FastWeight,
    activation: Activation,
    is_padding: Tensor,
    update: Updated = "all",
    rotation: Rotation | None = None,
) -> dict[str, Tensor]:
    """Return the `descent_direction` of all frames.

    Arguments
    ---------
    kv : Tensor
        (B, T, 2 H D) as projected; keys, then values.
    rates : Tensor
        (B, T, H, 3) of gate, down, up.
    weight : FastWeight
        Matrices with leading (B, H).
    activation : Activation
        (H D) of keys, which are then of unit length; values go through SiLU.
    is_padding : Tensor
        (B, T) bool, True at padding, from which nothing is learned.
    update : Updated
        ``"all"`` or ``"down"``.
    rotation : Rotation | None
        Of keys, last.

    Returns
    -------
    dict[str, Tensor]
        A direction for each updated matrix, (B, H, F, D) or (B, H, D, F).

    Example
    -------
    >>> weight = FastWeight(*torch.randn(3, 2, 1, 4, 4))
    >>> activation = Activation(torch.ones(4), torch.zeros(4))
    >>> is_padding = torch.zeros(2, 5, dtype=torch.bool)
    >>> kv, rates = torch.randn(2, 5, 8), torch.rand(2, 5, 1, 3)
    >>> learn_frames(kv, rates, weight, activation, is_padding, "down")["down"].shape
    torch.Size([2, 1, 4, 4])
    """
    if update == "down":
        inputs = kv, rates[..., 1], *activation, weight.gate, weight.up, is_padding
        if rotation is None and _is_fused(*inputs[:-1]):
            return {"down": _Learn.apply(*_in_rows(*inputs))}
        return {"down": _learn_down(*inputs, rotation)}
    k, v = _keys_and_values(kv, weight, activation, is_padding, rotation)
    rates = zero_padding(rates.transpose(1, 2), is_padding)
    return descent_direction(weight, k, v, rates, update)


def answer_frames(
    q: Tensor,
    weight: FastWeight,
    activation: Activation,
    norm: Tensor,
    opening: Tensor,
    is_padding: Tensor,
    rotation: Rotation | None = None,
) -> Tensor:
    """Apply the fast weight to all frames, then join heads.

    Arguments
    ---------
    q : Tensor
        (B, T, H D) as projected.
    weight : FastWeight
        Matrices with leading (B, H).
    activation : Activation
        (H D) of queries, which are then of unit length.
    norm : Tensor
        (D,), see `join_heads`.
    opening : Tensor
        (B, T, H), likewise.
    is_padding : Tensor
        (B, T) bool, True at padding.
    rotation : Rotation | None
        Of queries, last.

    Returns
    -------
    Tensor
        (B, T, H D); finite but meaningless at padding.

    Example
    -------
    >>> weight = FastWeight(*torch.randn(3, 2, 1, 4, 4))
    >>> activation = Activation(torch.ones(4), torch.zeros(4))
    >>> is_padding = torch.zeros(2, 5, dtype=torch.bool)
    >>> q, opening = torch.randn(2, 5, 4), torch.randn(2, 5, 1)
    >>> answer_frames(
    ...     q, weight, activation, torch.ones(4), opening, is_padding
    ... ).shape
    torch.Size([2, 5, 4])
    """
    inputs = q, *activation, *weight, norm, opening, is_padding
    if rotation is None and _is_fused(*inputs[:-1]):
        return _Answer.apply(*_in_rows(*inputs))
    return _answer(*inputs, rotation)


def _is_fused(*inputs: Tensor) -> bool:
    return all(has_fused(each, _SOURCE) for each in inputs)


def _keys_and_values(
    kv: Tensor,
    weight: FastWeight,
    activation: Activation,
    is_padding: Tensor,
    rotation: Rotation | None,
) -> tuple[Tensor, Tensor]:
    width = kv.shape[-1] // 2
    as_it_is = Activation(kv.new_ones(width), kv.new_zeros(width))
    parts = [Part(activation, True, rotation), Part(as_it_is)]
    k, v = split_heads(kv, weight.gate.shape[1], parts)
    return zero_padding(k, is_padding), zero_padding(v, is_padding)


def _learn_down(
    kv: Tensor,
    rate: Tensor,
    scale: Tensor,
    offset: Tensor,
    gate: Tensor,
    up: Tensor,
    is_padding: Tensor,
    rotation: Rotation | None = None,
) -> Tensor:
    # what is applied is not checked
    weight = FastWeight(gate, up, down=up)
    activation = Activation(scale, offset)
    k, v = _keys_and_values(kv, weight, activation, is_padding, rotation)
    # (B, T, H) -> (B, H, T, 1)
    rate = zero_padding(rate.transpose(1, 2)[..., None], is_padding).to(v.dtype)
    return (v * rate).mT @ hidden_units(weight, k)


def _answer(
    q: Tensor,
    scale: Tensor,
    offset: Tensor,
    gate: Tensor,
    up: Tensor,
    down: Tensor,
    norm: Tensor,
    opening: Tensor,
    is_padding: Tensor,
    rotation: Rotation | None = None,
) -> Tensor:
    part = Part(Activation(scale, offset), True, rotation)
    (q,) = split_heads(q, gate.shape[1], [part])
    q = zero_padding(q, is_padding)
    return join_heads(apply_fast_weight(FastWeight(gate, up, down), q), norm, opening)


def _sizes(x: Tensor, gate: Tensor) -> list[int]:
    """Batch, frames, distance of frames, heads, head and hidden dimension."""
    batch, num_frames, _ = x.shape
    _, heads, hidden, size = gate.shape
    return [batch, num_frames, x.stride(1), heads, size, hidden]


def _in_rows(x: Tensor, *others: Tensor) -> list[Tensor]:
    return [in_rows(x), *(each.contiguous() for each in others)]


def _with_values(scale: Tensor, offset: Tensor) -> tuple[Tensor, Tensor]:
    """Join the activation of keys by that of values, (2, H D) each."""
    ones, zeros = torch.ones_like(scale), torch.zeros_like(offset)
    return torch.stack([scale, ones]), torch.stack([offset, zeros])


def _marked(is_padding: Tensor) -> Tensor | None:
    return None if is_known_whole(is_padding) else is_padding.contiguous()


def _num_segments(x: Tensor) -> int:
    return -(-x.shape[1] // _SEGMENT)


class _Learn(Function):
    @staticmethod
    def forward(ctx: Any, *inputs: Tensor) -> Tensor:
        kv, rate, scale, offset, gate, up, is_padding = inputs
        ctx.save_for_backward(*inputs)
        tables = _with_values(scale, offset)
        k, v = kv.chunk(2, dim=-1)
        batch, heads, hidden, size = gate.shape
        y = kv.new_empty(batch, heads, _num_segments(kv), size, hidden)
        tensors = [k, v, *tables, rate, gate, up, _marked(is_padding), y]
        call_fused("learn_forward", tensors, _sizes(kv, gate), _SOURCE)
        return y.sum(2)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        kv, rate, scale, offset, gate, up, is_padding = inputs = ctx.saved_tensors
        if torch.is_grad_enabled():
            return differentiate(_learn_down, inputs, ctx, grad)
        grad_kv, grad_rate = kv.new_empty(kv.shape), torch.empty_like(rate)
        batch, heads, *shape = gate.shape
        units = kv.new_empty(2, batch, heads, _num_segments(kv), *shape)
        affine = kv.new_empty(2, batch, _num_segments(kv), len(scale))
        tensors = [grad.contiguous(), *kv.chunk(2, dim=-1)]
        tensors += [*_with_values(scale, offset), rate, gate, up]
        tensors += [_marked(is_padding), *grad_kv.chunk(2, dim=-1), grad_rate]
        sizes = [*_sizes(kv, gate), grad_kv.stride(1)]
        call_fused("learn_backward", [*tensors, *units, *affine], sizes, _SOURCE)
        return grad_kv, grad_rate, *affine.sum((1, 2)), *units.sum(3), None


class _Answer(Function):
    @staticmethod
    def forward(ctx: Any, *inputs: Tensor) -> Tensor:
        q, *rest, is_padding = inputs
        ctx.save_for_backward(*inputs)
        y = q.new_empty(q.shape)
        tensors = [q, *rest, _marked(is_padding), y]
        call_fused("answer_forward", tensors, _sizes(q, rest[2]), _SOURCE)
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        *inputs, is_padding = ctx.saved_tensors
        if torch.is_grad_enabled():
            return differentiate(_answer, ctx.saved_tensors, ctx, grad)
        q, scale, _, gate, _, down, norm, opening = inputs
        grad_q, grad_opening = q.new_empty(q.shape), torch.empty_like(opening)
        batch, heads = gate.shape[:2]
        segments = _num_segments(q)
        affine = q.new_empty(2, batch, segments, len(scale))
        units = q.new_empty(2, batch, heads, segments, *gate.shape[2:])
        grad_down = q.new_empty(batch, heads, segments, *down.shape[2:])
        grad_norm = q.new_zeros(batch, heads, segments, len(norm))
        tensors = [
            grad.contiguous(),
            *inputs,
            _marked(is_padding),
            grad_q,
            *affine,
            *units,
        ]
        tensors += [grad_down, grad_norm, grad_opening]
        call_fused("answer_backward", tensors, _sizes(q, gate), _SOURCE)
        weights = *units.sum(3), grad_down.sum(2)
        grad_norm = grad_norm.sum((0, 1, 2))
        return grad_q, *affine.sum((1, 2)), *weights, grad_norm, grad_opening, None
