"""Chunked test-time training with no loop over the chunks.

Legend: B batch, C chunks, H heads, T frames, N frames of a chunk, D head dimension.
"""

import torch
from torch import Tensor
from torch.nn.functional import pad

from lact_modules.ops.ttt.fast_weight import FastWeight, hidden_units
from lact_modules.ops.ttt.state import Frames, TTTState
from lact_modules.ops.ttt.update_rule import UpdateRule


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
    (arXiv 2006.16236, sec. 3.3), and their steps one batch. `q` is (B, H, T, D), T
    above 0; if `is_shifted`, a chunk is answered with what was learned before it.
    """
    skipped = 0
    if state.pending is not None:
        skipped = state.pending.length
        frames = state.pending.followed_by(frames)
    sums = _sum_directions(frames, initial, chunk_size, rule, state.learned["down"])
    applied = sums[:, :-1] if is_shifted else sums[:, 1:]
    with torch.autocast(device_type=q.device.type, enabled=False):
        each = FastWeight(*(matrix[:, None] for matrix in initial))
        down = rule.weight({"down": applied}, each).down
    hidden = pad(hidden_units(initial, q), (0, 0, skipped, 0))
    output = _divide(hidden, chunk_size) @ down.to(q.dtype).mT
    # (B, C, H, N, D) -> (B, H, C N, D)
    output = output.transpose(1, 2).flatten(2, 3)[:, :, skipped : frames.length]
    # a whole chunk waits for the next call, where frames see nothing of their own
    num_learned = (frames.length - int(is_shifted)) // chunk_size
    rest = frames.at(slice(num_learned * chunk_size, None))
    # a copy, so that the state does not hold the sums after all chunks
    learned = {"down": sums[:, num_learned].clone()}
    return output, TTTState(learned, {}, rest if rest.length else None)


def _sum_directions(
    frames: Frames,
    initial: FastWeight,
    chunk_size: int,
    rule: UpdateRule,
    before: Tensor,
) -> Tensor:
    """Sum directions of `down` before the first chunk and after each, (B, C+1, ...)."""
    # gate and up are the same for all frames
    hidden = _divide(hidden_units(initial, frames.k), chunk_size)
    chunks = frames.map(lambda x: _divide(x, chunk_size))
    rates = rule.rates(chunks.lr, chunks.is_valid)[..., 1:2].to(chunks.v.dtype)
    direction = (chunks.v * rates).mT @ hidden
    with torch.autocast(device_type=direction.device.type, enabled=False):
        added = torch.cat([before[:, None], direction.to(before.dtype)], dim=1)
        # (B, C, H, 1, 1) -> (B, H, C)
        kept = rule.kept_share(chunks)[..., 0, 0].transpose(1, 2)
        kept = kept.expand(-1, added.shape[2], -1).to(added.dtype)
        kept = pad(kept, (1, 0), value=1.0)
        total = kept.clamp(min=torch.finfo(kept.dtype).tiny).log().cumsum(dim=-1)
        # how much of what chunk s added is left after chunk c: (B, H, C+1, C+1)
        since = total[..., None] - total[..., None, :]
        is_later = torch.ones_like(since, dtype=torch.bool).triu(1)
        left = since.masked_fill(is_later, -torch.inf).exp()
        return torch.einsum("bhcs,bshij->bchij", left, added)


def _divide(x: Tensor, size: int) -> Tensor:
    """Divide (B, H, T, D) into chunks (B, C, H, N, D), the last one filled up."""
    x = pad(x, (0, 0, 0, -x.shape[2] % size))
    return x.unflatten(2, (-1, size)).transpose(1, 2)
