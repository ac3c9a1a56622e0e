"""Chunked test-time training with no loop over the chunks.

Legend: B batch, C chunks, H heads, T frames, N frames of a chunk, D head dimension.
"""

import torch
from torch import Tensor
from torch.nn.functional import pad

from lact_modules.ops.fast_weight import FastWeight, hidden_units
from lact_modules.ops.ttt_state import Frames, TTTState
from lact_modules.ops.update_rule import UpdateRule


def parallel_ttt(
    q: Tensor,
    frames: Frames,
    initial: FastWeight,
    is_shifted: bool,
    chunk_size: int,
    rule: UpdateRule,
    state: TTTState,
) -> tuple[Tensor, TTTState]:
    """Learn from all chunks at once, for rules that sum the directions of ``down``.

    These depend on gate and up alone, which stay as they are. So the sums after all
    chunks are one product with a triangle of what is kept, as in linear attention
    (arXiv 2006.16236, sec. 3.3), and their steps one batch.

    Arguments
    ---------
    q : Tensor
        (B, H, T, D) where to apply, T above 0.
    frames : Frames
        What to learn from, zero at padding.
    initial : FastWeight
        Weights before any update, (B, H, ...).
    is_shifted : bool
        Apply to a chunk what was learned before it.
    chunk_size : int
        Frames a chunk.
    rule : UpdateRule
        With `UpdateRule.is_parallel`.
    state : TTTState
        From the call before.

    Returns
    -------
    output : Tensor
        (B, H, T, D)
    state : TTTState
        To pass on.

    Example
    -------
    >>> from lact_modules.ops.ttt_state import start_ttt
    >>> rule = UpdateRule(update="down", accumulate="directions")
    >>> start = start_ttt(FastWeight(*torch.randn(3, 1, 4, 4)), batch_size=2)
    >>> q = k = v = torch.randn(2, 1, 10, 4)
    >>> is_valid = torch.ones(2, 1, 10, 1, dtype=torch.bool)
    >>> frames = Frames(k, v, torch.ones(2, 1, 10, 3), None, is_valid)
    >>> output, state = parallel_ttt(q, frames, start.weight, False, 4, rule, start)
    >>> output.shape, state.pending.length
    (torch.Size([2, 1, 10, 4]), 2)
    """
    skipped = 0
    if state.pending is not None:
        skipped = state.pending.length
        frames = state.pending.followed_by(frames)
    # a whole chunk waits for the next call, where frames see nothing of their own
    num_learned = (frames.length - is_shifted) // chunk_size
    down, running = _learn_all(frames, initial, chunk_size, rule, state)
    known = down
    if is_shifted:
        known = torch.cat([state.weight.down[:, None], down[:, :-1]], dim=1)
    hidden = pad(hidden_units(initial, q), (0, 0, skipped, 0))
    output = _divide(hidden, chunk_size) @ known.to(q.dtype).mT
    # (B, C, H, N, D) -> (B, H, C N, D)
    output = output.transpose(1, 2).flatten(2, 3)
    rest = frames.at(slice(num_learned * chunk_size, None))
    pending = rest if rest.length else None
    if not num_learned:
        return output[:, :, skipped : frames.length], state._replace(pending=pending)
    # copies, so that the state does not hold the weights of all chunks
    last = down[:, num_learned - 1].clone()
    sums = {"down": running[:, num_learned - 1].clone()}
    weight = FastWeight(initial.gate, initial.up, last)
    state = TTTState(weight, weight, sums, pending)
    return output[:, :, skipped : frames.length], state


def _learn_all(
    frames: Frames,
    initial: FastWeight,
    chunk_size: int,
    rule: UpdateRule,
    state: TTTState,
) -> tuple[Tensor, Tensor]:
    """Give `down` and the sum of its directions after each chunk, (B, C, H, D, F)."""
    # gate and up are the same for all frames
    hidden = _divide(hidden_units(initial, frames.k), chunk_size)
    chunks = frames.map(lambda x: _divide(x, chunk_size))
    direction = (chunks.v * chunks.lr[..., 1:2].to(chunks.v.dtype)).mT @ hidden
    with torch.autocast(device_type=direction.device.type, enabled=False):
        direction = direction.to(initial.down.dtype)
        # (B, C, H, 1, 1) -> (B, H, C)
        kept = rule.kept_share(chunks)[..., 0, 0].transpose(1, 2)
        kept = kept.expand(-1, direction.shape[2], -1).to(direction.dtype)
        total = kept.clamp(min=torch.finfo(kept.dtype).tiny).log().cumsum(dim=-1)
        # how much of chunk s is left after chunk c: (B, H, C, C)
        since = total[..., None] - total[..., None, :]
        is_later = torch.ones_like(since, dtype=torch.bool).triu(1)
        left = since.masked_fill(is_later, -torch.inf).exp()
        running = torch.einsum("bhcs,bshij->bchij", left, direction)
        if state.running:
            share = total.exp().transpose(1, 2)[..., None, None]
            running = running + share * state.running["down"][:, None]
        each = FastWeight(*(matrix[:, None] for matrix in initial))
        moved = rule.effective(rule.step(each, {"down": running}, each), each)
        has_learned = chunks.is_valid.sum(dim=-2, keepdim=True).cumsum(dim=1) > 0
        return torch.where(has_learned, moved.down, state.weight.down[:, None]), running


def _divide(x: Tensor, size: int) -> Tensor:
    """Divide (B, H, T, D) into chunks (B, C, H, N, D), the last one filled up."""
    x = pad(x, (0, 0, 0, -x.shape[2] % size))
    return x.unflatten(2, (-1, size)).transpose(1, 2)
