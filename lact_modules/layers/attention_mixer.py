"""The Conformer's mixer: softmax attention alone."""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from lact_modules.layers.attention import AttentionState, RotaryAttention
from lact_modules.layers.chunking import Chunking
from lact_modules.layers.pieces import Context
from lact_modules.layers.relative_attention import RelativeAttention

Positions = Literal["rope", "relpos"]


class AttentionMixer(nn.Module):
    """Mix frames by multi-head attention over all of them or over a window.

    Padded frames are never attended to, so a valid frame does not depend on what it
    is batched with.

    Arguments
    ---------
    d_model : int
        Model dimension.
    num_heads : int
        Attention heads.
    positions : Positions
        ``"rope"``, rotary like `LaCTMixer`'s, or ``"relpos"``, relative as in the
        Conformer (arXiv 2005.08100, sec. 2.2.1), which adds d_model^2 parameters
        and memory for T^2 scores a head.
    window : Sequence[int | None]
        Frames to the left and right that attention sees; None for all.
    dropout : float
        Of attention weights.

    Raises
    ------
    ValueError
        If heads do not divide the model dimension, or positions are neither.

    Example
    -------
    >>> import torch
    >>> mixer = AttentionMixer(d_model=32, num_heads=4, positions="relpos")
    >>> x, is_padding = torch.randn(2, 9, 32), torch.zeros(2, 9, dtype=torch.bool)
    >>> mixer(x, is_padding).shape
    torch.Size([2, 9, 32])
    """

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        positions: Positions = "rope",
        window: Sequence[int | None] = (None, None),
        dropout: float = 0.0,
    ):
        super().__init__()
        if d_model % (2 * num_heads):
            raise ValueError(
                f"d_model={d_model}: must be a multiple of 2 x {num_heads}"
            )
        self.project_qkv = nn.Linear(d_model, 3 * d_model)
        self.project_output = nn.Linear(d_model, d_model)
        self.attention: RotaryAttention | RelativeAttention
        if positions == "rope":
            self.attention = RotaryAttention(num_heads, window, dropout)
        elif positions == "relpos":
            self.attention = RelativeAttention(d_model, num_heads, window, dropout)
        else:
            raise ValueError(f"positions={positions!r}: choose 'rope' or 'relpos'")

    @property
    def context(self) -> Context | None:
        """Frames around a frame that it attends to, see `PiecedLayer`."""
        return self.attention.context

    def forward(self, x: Tensor, is_padding: Tensor) -> Tensor:
        """Map (B, T, D) with its (B, T) padding to (B, T, D)."""
        return self.project_output(self.attention(self.project_qkv(x), is_padding))

    def chunked(
        self,
        x: Tensor,
        is_padding: Tensor,
        chunking: Chunking,
        state: AttentionState | None = None,
    ) -> tuple[Tensor, AttentionState]:
        """Attend chunk by chunk, see `ChunkedLayer`; with rotary positions alone."""
        if not isinstance(self.attention, RotaryAttention):
            raise NotImplementedError("'relpos': streaming chunks need 'rope'")
        mixed, state = self.attention.chunked(
            self.project_qkv(x), is_padding, chunking, state
        )
        return self.project_output(mixed), state
