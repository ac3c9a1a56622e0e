"""One encoder block out of injected sub-layers."""

from typing import Any, NamedTuple

from torch import Tensor, nn

from lact_modules.layers.chunking import Chunking
from lact_modules.layers.dropout import Dropout


class BlockState(NamedTuple):
    """What a block remembers: its mixer, and its convolution if it has one."""

    mixer: Any
    conv: Tensor | None


class EncoderBlock(nn.Module):
    """Pre-norm residual block: transformer style, or conformer style (macaron).

    With `ffn_in` both feed-forward layers count half and a norm closes the block
    (arXiv 2005.08100, sec. 2.2.4). Without `ffn_in` and `conv` it is the plain
    transformer block.

    Arguments
    ---------
    d_model : int
        Model dimension.
    mixer : nn.Module
        ``(x (B, T, D), is_padding (B, T)) -> (B, T, D)``.
    ffn_out : nn.Module
        ``x -> x``, after the mixer.
    ffn_in : nn.Module | None
        ``x -> x``, before the mixer.
    conv : nn.Module | None
        ``(x, is_padding) -> x``, between mixer and `ffn_out`.
    dropout : float
        Of each sub-layer's output.

    Example
    -------
    >>> import torch
    >>> from lact_modules.layers import FeedForward, LaCTMixer
    >>> block = EncoderBlock(8, LaCTMixer(8, 2, 2), FeedForward(8, 16))
    >>> block(torch.randn(2, 5, 8), torch.zeros(2, 5, dtype=torch.bool)).shape
    torch.Size([2, 5, 8])
    """

    # `ChunkedLayer` too, if the block is to run in chunks
    mixer: Any
    conv: Any

    def __init__(
        self,
        d_model: int,
        mixer: nn.Module,
        ffn_out: nn.Module,
        ffn_in: nn.Module | None = None,
        conv: nn.Module | None = None,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.ffn_in, self.mixer, self.conv, self.ffn_out = ffn_in, mixer, conv, ffn_out
        self.norm_ffn_in = nn.LayerNorm(d_model) if ffn_in else nn.Identity()
        self.norm_mixer = nn.LayerNorm(d_model)
        self.norm_conv = nn.LayerNorm(d_model) if conv else nn.Identity()
        self.norm_ffn_out = nn.LayerNorm(d_model)
        self.norm = nn.LayerNorm(d_model) if ffn_in else nn.Identity()
        self.ffn_weight = 0.5 if ffn_in else 1.0
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, is_padding: Tensor) -> Tensor:
        """Map (B, T, D) with its (B, T) padding to (B, T, D)."""
        x = self._before_mixer(x)
        x = x + self.dropout(self.mixer(self.norm_mixer(x), is_padding))
        if self.conv is not None:
            x = x + self.dropout(self.conv(self.norm_conv(x), is_padding))
        return self._after_conv(x)

    def chunked(
        self,
        x: Tensor,
        is_padding: Tensor,
        chunking: Chunking,
        state: BlockState | None = None,
    ) -> tuple[Tensor, BlockState]:
        """Map (B, T, D) chunk by chunk, see `ChunkedLayer`."""
        mixer, conv = state or (None, None)
        x = self._before_mixer(x)
        mixed, mixer = self.mixer.chunked(
            self.norm_mixer(x), is_padding, chunking, mixer
        )
        x = x + self.dropout(mixed)
        if self.conv is not None:
            convolved, conv = self.conv.chunked(
                self.norm_conv(x), is_padding, chunking, conv
            )
            x = x + self.dropout(convolved)
        return self._after_conv(x), BlockState(mixer, conv)

    def _before_mixer(self, x: Tensor) -> Tensor:
        if self.ffn_in is None:
            return x
        return x + self.ffn_weight * self.dropout(self.ffn_in(self.norm_ffn_in(x)))

    def _after_conv(self, x: Tensor) -> Tensor:
        x = x + self.ffn_weight * self.dropout(self.ffn_out(self.norm_ffn_out(x)))
        return self.norm(x)
