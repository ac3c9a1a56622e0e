"""One block of a text decoder out of injected sub-layers."""

from typing import Any, Protocol

from torch import Tensor, nn

from lact_modules.decoders.state import BlockState
from lact_modules.layers.dropout import Dropout


class SelfMixer(Protocol):
    """What `DecoderBlock` asks of a mixer of tokens, which is an nn.Module too.

    States are tuples of tensors, the batch first in each.
    """

    def __call__(self, x: Tensor) -> Tensor:
        """Map (B, U, D) to the same; no token sees a later one."""

    def start(self, batch_size: int) -> Any:
        """Return the state before the first token."""

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Map one token (B, D) to the same; give the state after it."""


class CrossMixer(Protocol):
    """What `DecoderBlock` asks of a mixer of tokens and memory, an nn.Module too."""

    def __call__(self, x: Tensor, memory: Tensor, is_padding: Tensor) -> Tensor:
        """Map (B, U, D), with memory (B, T, D) and its padding (B, T), to (B, U, D)."""

    def start(self, memory: Tensor, is_padding: Tensor) -> Any:
        """Read the memory; give the state before the first token."""

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Map one token (B, D) to the same; give the state after it."""


class DecoderBlock(nn.Module):
    """Pre-norm residual block: tokens among themselves, the memory, feed-forward.

    Arguments
    ---------
    d_model : int
        Model dimension.
    self_mixer : SelfMixer
        Such as `CausalAttention`.
    cross_mixer : CrossMixer
        Such as `CrossAttention`.
    ffn : nn.Module
        ``x -> x``, each token alone.
    dropout : float
        Of each sub-layer's output.

    Example
    -------
    >>> import torch
    >>> from lact_modules.layers import CausalMamba, CrossMamba, FeedForward
    >>> block = DecoderBlock(8, CausalMamba(8), CrossMamba(8), FeedForward(8, 16))
    >>> memory, is_padding = torch.randn(2, 9, 8), torch.zeros(2, 9, dtype=torch.bool)
    >>> block(torch.randn(2, 3, 8), memory, is_padding).shape
    torch.Size([2, 3, 8])
    """

    def __init__(
        self,
        d_model: int,
        self_mixer: SelfMixer,
        cross_mixer: CrossMixer,
        ffn: nn.Module,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.self_mixer, self.cross_mixer, self.ffn = self_mixer, cross_mixer, ffn
        self.norm_self = nn.LayerNorm(d_model)
        self.norm_cross = nn.LayerNorm(d_model)
        self.norm_ffn = nn.LayerNorm(d_model)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, memory: Tensor, is_padding: Tensor) -> Tensor:
        """Map (B, U, D), with the memory and its padding, to (B, U, D)."""
        x = x + self.dropout(self.self_mixer(self.norm_self(x)))
        x = x + self.dropout(self.cross_mixer(self.norm_cross(x), memory, is_padding))
        return x + self.dropout(self.ffn(self.norm_ffn(x)))

    def start(self, memory: Tensor, is_padding: Tensor) -> BlockState:
        """Return the state before the first token."""
        own = self.self_mixer.start(len(memory))
        return own, self.cross_mixer.start(memory, is_padding)

    def step(self, x: Tensor, state: BlockState) -> tuple[Tensor, BlockState]:
        """Map one token (B, D) to the same; give the state after it."""
        y, own = self.self_mixer.step(self.norm_self(x), state[0])
        x = x + self.dropout(y)
        y, cross = self.cross_mixer.step(self.norm_cross(x), state[1])
        x = x + self.dropout(y)
        return x + self.dropout(self.ffn(self.norm_ffn(x))), (own, cross)
