"""Attention in a text decoder: over the tokens so far, and over the memory."""

import torch
from torch import Tensor, nn

from lact_modules.ops.attention import attend


class CausalAttention(nn.Module):
    """Multi-head attention that sees no later token.

    It knows nothing of positions; the decoder adds them to its embeddings. The state
    holds keys and values (B, U, H, D / H) of the tokens so far.

    Arguments
    ---------
    d_model : int
        Model dimension.
    num_heads : int
        Attention heads.
    dropout : float
        Of attention weights.

    Raises
    ------
    ValueError
        If heads do not divide the model dimension.

    Example
    -------
    >>> mixer, x = CausalAttention(d_model=8, num_heads=2), torch.randn(2, 3, 8)
    >>> y, state = mixer.step(x[:, 0], mixer.start(batch_size=2))
    >>> torch.allclose(y, mixer(x)[:, 0], atol=1e-6)
    True
    """

    def __init__(self, d_model: int, num_heads: int, dropout: float = 0.0):
        super().__init__()
        self.heads = (num_heads, _channels(d_model, num_heads))
        self.dropout = dropout
        self.project_qkv = nn.Linear(d_model, 3 * d_model)
        self.project_output = nn.Linear(d_model, d_model)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, U, D) to the same."""
        q, k, v = self._project(x)
        mask = torch.ones(2 * x.shape[1:2], dtype=torch.bool, device=x.device).tril()
        return self._attend(q, k, v, mask)

    def start(self, batch_size: int) -> tuple[Tensor, Tensor]:
        """Return the keys and values before the first token: none."""
        none = self.project_qkv.weight.new_zeros(batch_size, 0, *self.heads)
        return none, none

    def step(
        self, x: Tensor, state: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Map one token (B, D) to the same; give the keys and values up to it."""
        q, k, v = self._project(x[:, None])
        k, v = torch.cat([state[0], k], dim=1), torch.cat([state[1], v], dim=1)
        return self._attend(q, k, v, mask=None)[:, 0], (k, v)

    def _project(self, x: Tensor) -> tuple[Tensor, ...]:
        # (B, U, 3 D) -> 3 x (B, U, H, D / H)
        return self.project_qkv(x).unflatten(-1, (3, *self.heads)).unbind(2)

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        dropout = self.dropout if self.training else 0.0
        return self.project_output(attend(q, k, v, mask, dropout).flatten(2))


class CrossAttention(nn.Module):
    """Multi-head attention of tokens over the valid frames of the memory.

    The state holds keys and values (B, T, H, D / H), projected once, and the mask.

    Arguments
    ---------
    d_model : int
        Model dimension, also of the memory.
    num_heads : int
        Attention heads.
    dropout : float
        Of attention weights.

    Raises
    ------
    ValueError
        If heads do not divide the model dimension.

    Example
    -------
    >>> memory, is_padding = torch.randn(2, 9, 8), torch.zeros(2, 9, dtype=torch.bool)
    >>> mixer = CrossAttention(d_model=8, num_heads=2)
    >>> mixer(torch.randn(2, 3, 8), memory, is_padding).shape
    torch.Size([2, 3, 8])
    """

    def __init__(self, d_model: int, num_heads: int, dropout: float = 0.0):
        super().__init__()
        self.heads = (num_heads, _channels(d_model, num_heads))
        self.dropout = dropout
        self.project_query = nn.Linear(d_model, d_model)
        self.project_memory = nn.Linear(d_model, 2 * d_model)
        self.project_output = nn.Linear(d_model, d_model)

    def forward(self, x: Tensor, memory: Tensor, is_padding: Tensor) -> Tensor:
        """Map (B, U, D), with memory (B, T, D) and its padding (B, T), to (B, U, D).

        The memory must be zero at padding.
        """
        return self._attend(x, *self.start(memory, is_padding))

    def start(
        self, memory: Tensor, is_padding: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the memory's keys and values, and which of them to attend to."""
        # (B, T, 2 D) -> 2 x (B, T, H, D / H)
        k, v = self.project_memory(memory).unflatten(-1, (2, *self.heads)).unbind(2)
        # without a valid frame attend to zeros: the softmax over nothing is NaN
        visible = ~is_padding | is_padding.all(dim=1, keepdim=True)
        return k, v, visible[:, None, None]

    def step(
        self, x: Tensor, state: tuple[Tensor, Tensor, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
        """Map one token (B, D) to (B, D); the state does not change."""
        return self._attend(x[:, None], *state)[:, 0], state

    def _attend(self, x: Tensor, k: Tensor, v: Tensor, visible: Tensor) -> Tensor:
        q = self.project_query(x).unflatten(-1, self.heads)
        dropout = self.dropout if self.training else 0.0
        return self.project_output(attend(q, k, v, visible, dropout).flatten(2))


def _channels(d_model: int, num_heads: int) -> int:
    """Return the channels of a head."""
    if d_model % num_heads:
        raise ValueError(f"d_model={d_model}: must be a multiple of {num_heads}")
    return d_model // num_heads
