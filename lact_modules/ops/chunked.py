"""Test-time training over chunks: update the fast weights, apply them, carry them on.

Legend: B batch, T frames, H heads, D head dimension, F hidden dimension.
"""

import warnings
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor

from lact_modules.ops.fast_weight import (
    FastWeight,
    apply_fast_weight,
    descent_direction,
)
from lact_modules.ops.update_rule import UpdateRule

Mode = Literal["bidirectional", "block", "shifted"]


class Frames(NamedTuple):
    """What an update needs of its frames; all (B, H, T, ...)."""

    k: Tensor
    v: Tensor
    lr: Tensor
    momentum: Tensor | None
    is_valid: Tensor

    def at(self, span: slice) -> "Frames":
        """Take a run of frames."""
        return Frames(
            k=self.k[:, :, span],
            v=self.v[:, :, span],
            lr=self.lr[:, :, span],
            momentum=None if self.momentum is None else self.momentum[:, :, span],
            is_valid=self.is_valid[:, :, span],
        )

    def followed_by(self, later: "Frames") -> "Frames":
        """Join two runs of frames; both have momentum factors, or neither has."""

        def join(x: Tensor, y: Tensor) -> Tensor:
            return torch.cat([x, y], dim=2)

        momentum = None
        if self.momentum is not None and later.momentum is not None:
            momentum = join(self.momentum, later.momentum)
        return Frames(
            k=join(self.k, later.k),
            v=join(self.v, later.v),
            lr=join(self.lr, later.lr),
            momentum=momentum,
            is_valid=join(self.is_valid, later.is_valid),
        )

    @property
    def length(self) -> int:
        """Number of frames."""
        return self.k.shape[2]


class TTTState(NamedTuple):
    """What is carried from one call to the next; detach it to cut the graph.

    Arguments
    ---------
    weight : FastWeight
        Fast weights to apply, (B, H, ...), float32 or float64.
    accumulated : FastWeight
        The sum that the next step adds to; differs from `weight` under
        ``"pre"`` normalization alone.
    momentum : dict[str, Tensor]
        Running directions by matrix name; empty without momentum.
    pending : Frames | None
        Frames of the current chunk that the weights have not learned from yet.
    """

    weight: FastWeight
    accumulated: FastWeight
    momentum: dict[str, Tensor]
    pending: Frames | None


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
        (B, T, H, 1) momentum factors, averaged over the chunk; None for none.
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
    q, frames = _head_first(q, k, v, lr, momentum, ~is_padding)
    initial = _per_utterance(fast_weight, q.shape[0])
    if state is None:
        state = start_ttt(fast_weight, q.shape[0])

    outputs = [q[:, :, :0]]
    start = 0
    while start < num_frames:
        if state.pending is not None and state.pending.length == chunk_size:
            state = _learn(state, rule, initial)
        room = chunk_size - (state.pending.length if state.pending else 0)
        span = slice(start, min(num_frames, start + room))
        seen = frames.at(span)
        if state.pending is not None:
            seen = state.pending.followed_by(seen)
        state = state._replace(pending=seen)
        source = state if mode == "shifted" else _learn(state, rule, initial)
        outputs.append(apply_fast_weight(source.weight, q[:, :, span]))
        if mode != "shifted" and seen.length == chunk_size:
            state = source
        start = span.stop
    # (B, H, T, D) -> (B, T, H, D)
    return torch.cat(outputs, dim=2).transpose(1, 2), state


def start_ttt(fast_weight: FastWeight, batch_size: int) -> TTTState:
    """Give the state before the first frame.

    Arguments
    ---------
    fast_weight : FastWeight
        Initial weights, (H, ...) or per utterance (B, H, ...).
    batch_size : int
        Utterances.

    Returns
    -------
    TTTState
        To pass to `chunked_ttt`, which with it expects more calls to follow.

    Example
    -------
    >>> start_ttt(FastWeight(*torch.randn(3, 1, 4, 4)), batch_size=2).weight.gate.shape
    torch.Size([2, 1, 4, 4])
    """
    initial = _per_utterance(fast_weight, batch_size)
    return TTTState(initial, initial, {}, None)


def _learn(state: TTTState, rule: UpdateRule, initial: FastWeight) -> TTTState:
    """Take one step on the pending frames."""
    frames = state.pending
    assert frames is not None
    direction = descent_direction(
        state.weight, frames.k, frames.v, frames.lr, rule.update
    )
    with torch.autocast(device_type=frames.k.device.type, enabled=False):
        dtype = initial.gate.dtype
        direction = {name: matrix.to(dtype) for name, matrix in direction.items()}
        if frames.momentum is not None:
            direction = _add_momentum(
                direction, state.momentum, frames.momentum, frames.is_valid
            )
        accumulated = rule.step(state.accumulated, direction, initial)
        weight = rule.effective(accumulated, initial)
        has_frames = frames.is_valid.any(dim=2, keepdim=True)
        return TTTState(
            _where(has_frames, weight, state.weight),
            _where(has_frames, accumulated, state.accumulated),
            direction if frames.momentum is not None else {},
            None,
        )


def _where(condition: Tensor, new: FastWeight, old: FastWeight) -> FastWeight:
    pairs = zip(new, old, strict=True)
    return FastWeight(*(torch.where(condition, x, y) for x, y in pairs))


def _per_utterance(weight: FastWeight, batch_size: int) -> FastWeight:
    """Expand to (B, H, ...) in float32, or in float64 if that is what came."""
    dtype = torch.promote_types(weight.gate.dtype, torch.float32)
    return FastWeight(
        *(matrix.to(dtype).expand(batch_size, -1, -1, -1) for matrix in weight)
    )


def _add_momentum(
    direction: dict[str, Tensor],
    running: dict[str, Tensor],
    factors: Tensor,
    is_valid: Tensor,
) -> dict[str, Tensor]:
    """Add the running direction, scaled by the chunk's mean momentum factor.

    A chunk of padding keeps the running direction: its own is zero.
    """
    if not running:
        return direction
    count = is_valid.sum(dim=2, keepdim=True)
    mean = factors.sum(dim=2, keepdim=True) / count.clamp(min=1)
    factor = torch.where(count > 0, mean, 1.0)
    return {name: matrix + factor * running[name] for name, matrix in direction.items()}


def _head_first(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    lr: Tensor,
    momentum: Tensor | None,
    is_valid: Tensor,
) -> tuple[Tensor, Frames]:
    """Bring heads before frames, and zero what is padding."""
    # (B, T) -> (B, 1, T, 1)
    mask = is_valid[:, None, :, None]

    def clean(x: Tensor) -> Tensor:
        # (B, T, H, D) -> (B, H, T, D)
        return torch.where(mask, x.transpose(1, 2), 0.0)

    factors = None if momentum is None else clean(momentum)
    return clean(q), Frames(clean(k), clean(v), clean(lr), factors, mask)


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
