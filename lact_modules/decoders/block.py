"""One block of a text decoder out of injected sub-layers."""

from torch import Tensor, nn

from lact_modules.decoders.state import BlockState


class DecoderBlock(nn.Module):
    """Pre-norm residual block: tokens among themselves, the memory, feed-forward.

    Arguments
    ---------
    d_model : int
        Model dimension.
    self_mixer : nn.Module
        ``x (B, U, D) -> (B, U, D)``, causal; ``start(batch_size) -> state`` and
        ``step(x (B, D), state) -> (y (B, D), state)`` do the same token by token.
        A state is a tuple of tensors with the batch first.
    cross_mixer : nn.Module
        ``(x, memory (B, T, D), is_padding (B, T)) -> (B, U, D)``, and
        ``start(memory, is_padding)``, ``step(x, state)``.
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
        self_mixer: nn.Module,
        cross_mixer: nn.Module,
        ffn: nn.Module,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.self_mixer, self.cross_mixer, self.ffn = self_mixer, cross_mixer, ffn
        self.norm_self = nn.LayerNorm(d_model)
        self.norm_cross = nn.LayerNorm(d_model)
        self.norm_ffn = nn.LayerNorm(d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, memory: Tensor, is_padding: Tensor) -> Tensor:
        """Map (B, U, D), with the memory and its padding, to (B, U, D)."""
        x = x + self.dropout(self.self_mixer(self.norm_self(x)))
        x = x + self.dropout(self.cross_mixer(self.norm_cross(x), memory, is_padding))
        return x + self.dropout(self.ffn(self.norm_ffn(x)))

    def start(self, memory: Tensor, is_padding: Tensor) -> BlockState:
        """Give the state before the first token."""
        own = self.self_mixer.start(len(memory))
        return own, self.cross_mixer.start(memory, is_padding)

    def step(self, x: Tensor, state: BlockState) -> tuple[Tensor, BlockState]:
        """Map one token (B, D) to the same; give the state after it."""
        y, own = self.self_mixer.step(self.norm_self(x), state[0])
        x = x + self.dropout(y)
        y, cross = self.cross_mixer.step(self.norm_cross(x), state[1])
        x = x + self.dropout(y)
        return x + self.dropout(self.ffn(self.norm_ffn(x))), (own, cross)
