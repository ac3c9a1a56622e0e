"""A mean over time in the place of attention."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, pad

from lact_modules.layers.chunking import Chunking
from lact_modules.layers.pieces import sum_by_pieces


class SummaryState(NamedTuple):
    """Of the frames before: their sum (B, 1, D), float32, and number (B, 1, 1)."""

    total: Tensor
    num_frames: Tensor


class SummaryMixer(nn.Module):
    """Mix frames through the mean of all of them, the same for every frame.

    SummaryMixing (arXiv 2307.07421, sec. 2.2): a frame is combined with the mean over
    time of another projection of all frames. It takes time linear in T, has no
    positions, and distinguishes no frame from another: a task that it does as well as a
    mixer with a memory or with attention needs neither. Padded frames do not count.

    Arguments
    ---------
    d_model : int
        Model dimension.

    Example
    -------
    >>> x, is_padding = torch.randn(2, 9, 8), torch.zeros(2, 9, dtype=torch.bool)
    >>> SummaryMixer(d_model=8)(x, is_padding).shape
    torch.Size([2, 9, 8])
    """

    context = (0, 0)

    def __init__(self, d_model: int):
        super().__init__()
        self.project_local = nn.Linear(d_model, d_model)
        self.project_summary = nn.Linear(d_model, d_model)
        self.combine = nn.Linear(2 * d_model, d_model)

    def forward(
        self, x: Tensor, is_padding: Tensor, mean: Tensor | None = None
    ) -> Tensor:
        """Map (B, T, D) with its (B, T) padding to (B, T, D).

        Of a piece of the frames, after :meth:`learn`, that is its third argument.
        """
        if mean is None:
            mean = self.learn(x, is_padding, nn.Identity())
        return self._combine(x, mean)

    def learn(
        self, x: Tensor, is_padding: Tensor, read: Callable[[Tensor], Tensor]
    ) -> Tensor:
        """Return the mean (B, 1, D) over all frames, see `MemoryLayer`."""

        def sums(x: Tensor, is_padding: Tensor) -> dict[str, Tensor]:
            total, count = self._summands(read(x), is_padding)
            return {"total": total.sum(1, True), "count": count.sum(1, True)}

        summed = sum_by_pieces(sums, x, is_padding)
        return summed["total"] / summed["count"].clamp(min=1)

    def chunked(
        self,
        x: Tensor,
        is_padding: Tensor,
        chunking: Chunking,
        state: SummaryState | None = None,
    ) -> tuple[Tensor, SummaryState]:
        """Mix each chunk with the mean of all up to its end, see `ChunkedLayer`.

        The streaming form of arXiv 2409.07165; all of the past counts, whatever
        `chunking.left` is.
        """
        num_frames, size = x.shape[1], chunking.size
        summands = self._summands(x, is_padding)
        if state is None:
            state = SummaryState(
                *(s.new_zeros(len(x), 1, s.shape[-1]) for s in summands)
            )
        totals, counts = (
            _sum_up(summand, size, before)
            for summand, before in zip(summands, state, strict=True)
        )
        # (B, C, D) -> (B, T, D)
        means = (totals / counts.clamp(min=1))[:, 1:].repeat_interleave(size, dim=1)
        output = self._combine(x, means[:, :num_frames])
        return output, SummaryState(totals[:, -1:], counts[:, -1:])

    def _summands(self, x: Tensor, is_padding: Tensor) -> tuple[Tensor, Tensor]:
        """Return what is summed over time, (B, T, D), and what counts it, (B, T, 1)."""
        mask = is_padding[..., None]
        frames = gelu(self.project_summary(x)).float().masked_fill(mask, 0.0)
        return frames, (~mask).float()

    def _combine(self, x: Tensor, mean: Tensor) -> Tensor:
        local = gelu(self.project_local(x))
        mean = mean.to(local.dtype).expand_as(local)
        return gelu(self.combine(torch.cat([local, mean], dim=-1)))


def _sum_up(x: Tensor, size: int, before: Tensor) -> Tensor:
    """Sum (B, T, D) before the first chunk and after each one: (B, C + 1, D)."""
    chunks = pad(x, (0, 0, 0, -x.shape[1] % size)).unflatten(1, (-1, size))
    return torch.cat([before, chunks.sum(dim=2)], dim=1).cumsum(dim=1)
