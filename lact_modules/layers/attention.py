"""Softmax attention over all frames or over a window."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, scaled_dot_product_attention

from lact_modules.layers.chunking import Chunking, keep_last
from lact_modules.layers.rotary import rotate

Window = tuple[int | None, int | None]


def attention_mask(is_padding: Tensor, window: Window = (None, None)) -> Tensor:
    """Tell which keys each query may look at.

    A frame always sees itself, so that rows of padding stay finite.

    Arguments
    ---------
    is_padding : Tensor
        (B, T) bool, True at padding.
    window : Window
        Frames to the left and to the right that a query sees; None for all.

    Returns
    -------
    Tensor
        (B, 1, T, T) bool, True where query (third) may see key (last).

    Example
    -------
    >>> attention_mask(torch.tensor([[False, False, True]]), window=(0, 1))[0, 0].int()
    tensor([[1, 1, 0],
            [0, 1, 0],
            [0, 0, 1]], dtype=torch.int32)
    """
    left, right = window
    num_frames = is_padding.shape[1]
    near = is_padding.new_ones(num_frames, num_frames)
    if left is not None:
        near = near.triu(-left)
    if right is not None:
        near = near.tril(right)
    itself = torch.eye(num_frames, dtype=torch.bool, device=is_padding.device)
    return ~is_padding[:, None, None, :] & near | itself


def attend(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, dropout: float = 0.0
) -> Tensor:
    """Run scaled dot-product attention on (B, T, H, D) tensors.

    Arguments
    ---------
    q : Tensor
        (B, T, H, D)
    k : Tensor
        (B, T, H, D)
    v : Tensor
        (B, T, H, D)
    mask : Tensor | None
        (B, 1, T, T) bool, True where to look, or (B, H, T, T) float, added to the
        scaled scores; None to look everywhere.
    dropout : float
        Of attention weights.

    Returns
    -------
    Tensor
        (B, T, H, D)

    Example
    -------
    >>> x = torch.randn(2, 5, 3, 4)
    >>> attend(x, x, x, attention_mask(torch.zeros(2, 5, dtype=torch.bool))).shape
    torch.Size([2, 5, 3, 4])
    """
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    output = scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout)
    return output.transpose(1, 2)


class AttentionState(NamedTuple):
    """What is remembered of earlier frames.

    Arguments
    ---------
    num_frames : int
        How many there were.
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

    def forward(self, qkv: Tensor, is_padding: Tensor) -> Tensor:
        """Map queries, keys and values (B, T, 3 D), padding (B, T) to (B, T, D)."""
        q, k, v = self._project(qkv)
        mask = attention_mask(is_padding, self.window)
        return attend(q, k, v, mask, self._dropout).flatten(2)

    def chunked(
        self,
        qkv: Tensor,
        is_padding: Tensor,
        chunking: Chunking,
        state: AttentionState | None = None,
    ) -> tuple[Tensor, AttentionState]:
        """Attend to a frame's chunk and to some frames before it, not to `window`.

        As `ChunkedLayer` says, but for `x`, which is qkv (B, T, 3 D).
        """
        q, k, v = self._project(qkv, state.num_frames if state else 0)
        num_frames = q.shape[1]
        before, past = num_frames, 0
        if state is not None:
            before, past = num_frames + state.num_frames, state.k.shape[1]
            k, v = torch.cat([state.k, k], dim=1), torch.cat([state.v, v], dim=1)
            is_padding = torch.cat([state.is_padding, is_padding], dim=1)
        visible = chunking.visible(past, num_frames, q.device)
        # a frame always sees itself, so that rows of padding stay finite
        itself = torch.eye(num_frames, dtype=torch.bool, device=q.device)
        mask = visible & ~is_padding[:, None, None, :] | pad(itself, (past, 0))
        remembered = (keep_last(x, chunking.left) for x in (k, v, is_padding))
        output = attend(q, k, v, mask, self._dropout).flatten(2)
        return output, AttentionState(before, *remembered)

    @property
    def _dropout(self) -> float:
        return self.dropout if self.training else 0.0

    def _project(self, qkv: Tensor, first: int = 0) -> tuple[Tensor, Tensor, Tensor]:
        """Split (B, T, 3 D) to 3 x (B, T, H, D / H); rotate q and k from a position."""
        heads = qkv.unflatten(-1, (3 * self.num_heads, -1))
        qk, v = heads.split((2 * self.num_heads, self.num_heads), dim=2)
        positions = first + torch.arange(qkv.shape[1], device=qkv.device)
        q, k = rotate(qk, positions).chunk(2, dim=2)
        return q, k, v
