"""Test-time training over chunks: update the fast weights, apply them, carry them on.

Legend: B batch, T frames, H heads, D head dimension, F hidden dimension.
"""

import warnings
from collections.abc import Callable
from typing import Any, Literal, TypeVar, get_args

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from lact_modules.ops.padding import zero_padding
from lact_modules.ops.ttt.fast_weight import (
    FastWeight,
    apply_fast_weight,
    descent_direction,
)
from lact_modules.ops.ttt.one_step import stepped
from lact_modules.ops.ttt.parallel import parallel_ttt
from lact_modules.ops.ttt.state import Frames, TTTState, per_utterance
from lact_modules.ops.ttt.update_rule import UpdateRule

Mode = Literal["bidirectional", "block", "shifted"]

Result = TypeVar("Result")


def chunked_ttt(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    lr: Tensor,
    fast_weight: FastWeight,
    *,
    mode: Mode,
    chunk_size: int | None = None,
    rule: UpdateRule,
    momentum: Tensor | None = None,
    is_padding: Tensor | None = None,
    state: TTTState | None = None,
) -> tuple[Tensor, TTTState]:
    """Update fast weights chunk by chunk and apply them (arXiv 2505.23884, sec. 3).

    ``bidirectional`` learns from all frames of the call, then applies to all.
    ``block`` learns from a chunk, then applies to it. ``shifted`` applies to a
    chunk what was learned before it. Calls that pass the state on equal one call
    on the joined frames: always in ``shifted`` mode, and in ``block`` mode when
    the pieces end on chunk borders (a chunk's frames are answered with what is
    known of the chunk so far; the carried weights are the same in any case).

    Fast weights stay in float32 (float64 for float64), products run in the dtype
    of `q`, or of autocast. Padded frames neither learn nor count, whatever they
    hold; where a chunk is all padding nothing moves.

    Arguments
    ---------
    q : Tensor
        (B, T, H, D) where to apply.
    k : Tensor
        (B, T, H, D) inputs to learn from.
    v : Tensor
        (B, T, H, D) targets to learn.
    lr : Tensor
        (B, T, H, 3) learning rates of gate, down, up.
    fast_weight : FastWeight
        Initial weights, (H, ...) or per utterance (B, H, ...).
    mode : Mode
        ``"bidirectional"``, ``"block"`` or ``"shifted"``.
    chunk_size : int | None
        Frames a chunk; ``bidirectional`` does not look at it.
    rule : UpdateRule
        How to take a step.
    momentum : Tensor | None
        (B, T, H, 1) momentum factors from 0 to 1, averaged over the chunk; None for
        none.
    is_padding : Tensor | None
        (B, T) bool, True at padding.
    state : TTTState | None
        From the call before; None starts from `fast_weight`.

    Returns
    -------
    output : Tensor
        (B, T, H, D); finite but meaningless at padding.
    state : TTTState
        To pass on.

    Raises
    ------
    ValueError
        If the mode is unknown, or a chunked mode has no positive chunk size.

    Example
    -------
    >>> q = k = v = torch.randn(2, 10, 1, 4)
    >>> weight = FastWeight(*torch.randn(3, 1, 4, 4))
    >>> output, state = chunked_ttt(
    ...     q, k, v, torch.ones(2, 10, 1, 3), weight, mode="block", chunk_size=4,
    ...     rule=UpdateRule(),
    ... )
    >>> output.shape, state.pending.length
    (torch.Size([2, 10, 1, 4]), 2)
    """
    num_frames = q.shape[1]
    chunk_size = _check_chunk_size(mode, chunk_size, num_frames, state)
    if is_padding is None:
        is_padding = torch.zeros(q.shape[:2], dtype=torch.bool, device=q.device)
    q, frames = _head_first(q, k, v, lr, momentum, is_padding)
    initial = per_utterance(fast_weight, q.shape[0])
    if state is None:
        state = start_ttt(initial, rule)

    arguments = q, frames, initial, mode == "shifted", chunk_size, rule, state
    if rule.is_parallel and num_frames:
        run = _recomputed if num_frames > chunk_size else _called
        output, state = run(parallel_ttt, *arguments)
    else:
        output, state = _sequential_ttt(*arguments)
    # (B, H, T, D) -> (B, T, H, D)
    return output.transpose(1, 2), state


def start_ttt(initial: FastWeight, rule: UpdateRule) -> TTTState:
    """Return the state before the first frame; more calls are expected to follow.

    `initial` are weights per utterance, (B, H, ...).
    """
    return TTTState(rule.begin(initial), {}, None)


def _sequential_ttt(
    q: Tensor,
    frames: Frames,
    initial: FastWeight,
    is_shifted: bool,
    chunk_size: int,
    rule: UpdateRule,
    state: TTTState,
) -> tuple[Tensor, TTTState]:
    """Learn from a chunk, apply, and continue to the next; all are (B, H, T, ...)."""
    run = _recomputed if frames.length > chunk_size else _called
    outputs = [q[:, :, :0]]
    weight = _weight(state, rule, initial)
    start = 0
    while start < frames.length:
        if state.pending is not None and state.pending.length == chunk_size:
            state, weight = run(_step, state, weight, rule, initial)
        room = chunk_size - (state.pending.length if state.pending else 0)
        span = slice(start, min(frames.length, start + room))
        seen = frames.at(span)
        if state.pending is not None:
            seen = state.pending.followed_by(seen)
        state = state._replace(pending=seen)
        if is_shifted:
            outputs.append(run(apply_fast_weight, weight, q[:, :, span]))
        else:
            output, learned, known = run(
                _step_and_apply, state, weight, rule, initial, q[:, :, span]
            )
            outputs.append(output)
            if seen.length == chunk_size:
                state, weight = learned, known
        start = span.stop
    return torch.cat(outputs, dim=2), state


def _step(
    state: TTTState, weight: FastWeight, rule: UpdateRule, initial: FastWeight
) -> tuple[TTTState, FastWeight]:
    """Learn from the pending frames, and return the resulting weights."""
    learned = _learn(state, weight, rule, initial)
    return learned, _weight(learned, rule, initial)


def _step_and_apply(
    state: TTTState,
    weight: FastWeight,
    rule: UpdateRule,
    initial: FastWeight,
    q: Tensor,
) -> tuple[Tensor, TTTState, FastWeight]:
    learned, known = _step(state, weight, rule, initial)
    return apply_fast_weight(known, q), learned, known


def _called(function: Callable[..., Result], *args: Any) -> Result:
    return function(*args)


def _recomputed(function: Callable[..., Result], *args: Any) -> Result:
    """Call it, and keep what it was given alone; the backward pass calls it again.

    All that chunks learn would be several times as much.
    """
    if not torch.is_grad_enabled() or torch.compiler.is_compiling():
        return function(*args)
    return checkpoint(function, *args, use_reentrant=False, preserve_rng_state=False)


def _learn(
    state: TTTState, weight: FastWeight, rule: UpdateRule, initial: FastWeight
) -> TTTState:
    """Learn from the pending frames; where all are padding, nothing moves."""
    frames = state.pending
    assert frames is not None
    rates = rule.rates(frames.lr, frames.is_valid)
    direction = descent_direction(weight, frames.k, frames.v, rates, rule.update)
    with torch.autocast(device_type=frames.k.device.type, enabled=False):
        dtype = initial.gate.dtype
        direction = {name: matrix.to(dtype) for name, matrix in direction.items()}
        is_summed = rule.accumulate == "directions"
        earlier = state.learned if is_summed else state.momentum
        if earlier:
            kept = rule.kept_share(frames)
            direction = {
                name: matrix + kept * earlier[name]
                for name, matrix in direction.items()
            }
        if is_summed:
            return TTTState(direction, {}, None)
        learned = stepped(direction, frames.is_valid, rule, initial, state.learned)
        momentum = {} if frames.momentum is None else direction
        return TTTState(learned, momentum, None)


def _weight(state: TTTState, rule: UpdateRule, initial: FastWeight) -> FastWeight:
    with torch.autocast(device_type=initial.gate.device.type, enabled=False):
        return rule.weight(state.learned, initial)


def _head_first(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    lr: Tensor,
    momentum: Tensor | None,
    is_padding: Tensor,
) -> tuple[Tensor, Frames]:
    """Move heads before frames, and zero padding."""

    def clean(x: Tensor) -> Tensor:
        # (B, T, H, D) -> (B, H, T, D)
        return zero_padding(x.transpose(1, 2), is_padding)

    factors = None if momentum is None else clean(momentum)
    # (B, T) -> (B, 1, T, 1)
    is_valid = ~is_padding[:, None, :, None]
    return clean(q), Frames(clean(k), clean(v), clean(lr), factors, is_valid)


def _check_chunk_size(
    mode: str, chunk_size: int | None, num_frames: int, state: TTTState | None
) -> int:
    if mode not in get_args(Mode):
        raise ValueError(f"mode={mode!r}: choose one of {get_args(Mode)}")
    if mode == "bidirectional":
        return num_frames
    if chunk_size is None or chunk_size < 1:
        raise ValueError(f"mode={mode!r} needs a chunk_size >= 1, got {chunk_size}")
    if mode == "shifted" and state is None and chunk_size >= num_frames:
        warnings.warn(
            f"shifted mode with chunk_size {chunk_size} never updates on "
            f"{num_frames} frames; take a smaller chunk or mode='bidirectional'",
            stacklevel=3,
        )
    return chunk_size
