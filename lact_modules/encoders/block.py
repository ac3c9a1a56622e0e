"""One encoder block out of injected sub-layers."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from lact_modules.layers.chunking import Chunking
from lact_modules.layers.dropout import Dropout
from lact_modules.layers.pieces import Context, by_pieces, is_cut


class BlockState(NamedTuple):
    """A block's carried state: of its mixer, and of its convolution if it has one."""

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
        x = by_pieces(self._before_mixer, x)
        # from here on nothing else refers to it
        x = by_pieces(
            self._add_mixed,
            x,
            is_padding,
            context=_context(self.mixer),
            known=self._learned(x, is_padding),
            overwrite=True,
        )
        if self.conv is not None:
            context = _context(self.conv)
            x = by_pieces(
                self._add_convolved, x, is_padding, context=context, overwrite=True
            )
        return by_pieces(self._after_conv, x, overwrite=True)

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

    def _learned(self, x: Tensor, is_padding: Tensor) -> Any:
        """Return what the mixer has to know of all frames, before it answers some."""
        learns = hasattr(self.mixer, "learn") and _context(self.mixer) is not None
        if not learns or not is_cut(x):
            return None
        return self.mixer.learn(x, is_padding, self.norm_mixer)

    def _add_mixed(self, x: Tensor, is_padding: Tensor, *learned: Any) -> Tensor:
        y = self.mixer(self.norm_mixer(x), is_padding, *learned)
        return x + self.dropout(y)

    def _add_convolved(self, x: Tensor, is_padding: Tensor) -> Tensor:
        return x + self.dropout(self.conv(self.norm_conv(x), is_padding))

    def _before_mixer(self, x: Tensor) -> Tensor:
        if self.ffn_in is None:
            return x
        y = self.dropout(self.ffn_in(self.norm_ffn_in(x)))
        return torch.add(x, y, alpha=self.ffn_weight)

    def _after_conv(self, x: Tensor) -> Tensor:
        y = self.dropout(self.ffn_out(self.norm_ffn_out(x)))
        return self.norm(torch.add(x, y, alpha=self.ffn_weight))


def _context(layer: nn.Module) -> Context | None:
    """Frames that a frame depends on; all, if a layer does not define them."""
    return getattr(layer, "context", None)
