"""Softmax attention over all frames or over a window."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lact_modules.layers.chunking import Chunking, keep_last
from lact_modules.layers.pieces import Context, context_of
from lact_modules.ops.attention import Window, chunk_attention, window_attention
from lact_modules.ops.cpu.local_attention import has_native_attention
from lact_modules.ops.heads import Part, split_heads
from lact_modules.ops.rotary import Rotation, make_rotation


class AttentionState(NamedTuple):
    """The carried state: keys and values of earlier frames.

    Arguments
    ---------
    num_frames : int
        Number of earlier frames.
    k : Tensor
        (B, M, H, D / H) rotated keys of the last ones.
    v : Tensor
        (B, M, H, D / H) their values.
    is_padding : Tensor
        (B, M) bool.
    """

    num_frames: int
    k: Tensor
    v: Tensor
    is_padding: Tensor


class RotaryAttention(nn.Module):
    """Attention with rotary positions (arXiv 2104.09864), without parameters.

    Arguments
    ---------
    num_heads : int
        Attention heads.
    window : Sequence[int | None]
        Frames to the left and right that a query sees; None for all.
    dropout : float
        Of attention weights.

    Example
    -------
    >>> qkv, is_padding = torch.randn(2, 5, 24), torch.zeros(2, 5, dtype=torch.bool)
    >>> RotaryAttention(num_heads=2)(qkv, is_padding).shape
    torch.Size([2, 5, 8])
    """

    def __init__(
        self,
        num_heads: int,
        window: Sequence[int | None] = (None, None),
        dropout: float = 0.0,
    ):
        super().__init__()
        left, right = window
        self.window: Window = (left, right)
        self.num_heads = num_heads
        self.dropout = dropout

    @property
    def context(self) -> Context | None:
        """Frames around a frame that it attends to, see `PiecedLayer`."""
        # positions are relative: those of a piece may begin at 0
        return context_of(*self.window)

    def forward(self, qkv: Tensor, is_padding: Tensor) -> Tensor:
        """Map queries, keys and values (B, T, 3 D), padding (B, T) to (B, T, D)."""
        options = is_padding, self.window, self._dropout
        if self.window == (None, None) or not has_native_attention(qkv, self._dropout):
            return window_attention(*self._project(qkv), *options).flatten(2)
        # blocks of queries and keys are turned as they are brought into a cache
        q, k, v = (x.unflatten(-1, (self.num_heads, -1)) for x in qkv.chunk(3, dim=-1))
        return window_attention(q, k, v, *options, self._rotation(qkv)).flatten(2)

    def chunked(
        self,
        qkv: Tensor,
        is_padding: Tensor,
        chunking: Chunking,
        state: AttentionState | None = None,
    ) -> tuple[Tensor, AttentionState]:
        """Attend to a frame's chunk and to some frames before it, not to `window`.

        See `ChunkedLayer`; `x` is replaced by qkv (B, T, 3 D).
        """
        q, k, v = self._project(qkv, state.num_frames if state else 0)
        num_frames = q.shape[1]
        if state is not None:
            num_frames += state.num_frames
            k, v = torch.cat([state.k, k], dim=1), torch.cat([state.v, v], dim=1)
            is_padding = torch.cat([state.is_padding, is_padding], dim=1)
        output = chunk_attention(
            q, k, v, is_padding, chunking.size, chunking.left, self._dropout
        )
        carried = (keep_last(x, chunking.left) for x in (k, v, is_padding))
        return output.flatten(2), AttentionState(num_frames, *carried)

    @property
    def _dropout(self) -> float:
        return self.dropout if self.training else 0.0

    def _project(self, qkv: Tensor, first: int = 0) -> tuple[Tensor, Tensor, Tensor]:
        """Split (B, T, 3 D) to 3 x (B, T, H, D / H); rotate q and k from a position."""
        turned = Part(rotation=self._rotation(qkv, first))
        heads = split_heads(qkv, self.num_heads, [turned, turned, Part()])
        # (B, H, T, D / H) -> (B, T, H, D / H)
        q, k, v = (each.transpose(1, 2) for each in heads)
        return q, k, v

    def _rotation(self, qkv: Tensor, first: int = 0) -> Rotation:
        size = qkv.shape[-1] // 3 // self.num_heads
        return make_rotation(first, qkv.shape[1], size, like=qkv)
