"""Attention with relative positions, as in Transformer-XL and Conformer."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from lact_modules.layers.pieces import Context, context_of
from lact_modules.ops.attention import Window, attend, attention_mask


class RelativeAttention(nn.Module):
    """Score keys by content and, apart from it, by distance (arXiv 1901.02860).

    With r the projected sinusoid of a distance, d the channels of a head and learned
    biases u and v, query i scores key j by

        ((q_i + u) . k_j + (q_i + v) . r_{i - j}) / sqrt(d).

    Arguments
    ---------
    d_model : int
        Model dimension, even.
    num_heads : int
        Attention heads.
    window : Sequence[int | None]
        Frames to the left and right that a query sees; None for all.
    dropout : float
        Of attention weights.

    Example
    -------
    >>> qkv, is_padding = torch.randn(2, 5, 24), torch.zeros(2, 5, dtype=torch.bool)
    >>> RelativeAttention(d_model=8, num_heads=2)(qkv, is_padding).shape
    torch.Size([2, 5, 8])
    """

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        window: Sequence[int | None] = (None, None),
        dropout: float = 0.0,
    ):
        super().__init__()
        left, right = window
        self.window: Window = (left, right)
        self.num_heads = num_heads
        self.dropout = dropout
        self.project_distance = nn.Linear(d_model, d_model, bias=False)
        self.content_bias = nn.Parameter(torch.zeros(num_heads, d_model // num_heads))
        self.distance_bias = nn.Parameter(torch.zeros(num_heads, d_model // num_heads))

    @property
    def context(self) -> Context | None:
        """Frames around a frame that it attends to, see `PiecedLayer`."""
        return context_of(*self.window)

    def forward(self, qkv: Tensor, is_padding: Tensor) -> Tensor:
        """Map queries, keys and values (B, T, 3 D), padding (B, T) to (B, T, D)."""
        # (B, T, 3 D) -> 3 x (B, T, H, D / H)
        q, k, v = qkv.unflatten(-1, (3, self.num_heads, -1)).unbind(2)
        mask = attention_mask(is_padding, self.window)
        scores = self._score_distances(q).masked_fill(~mask, -torch.inf)
        dropout = self.dropout if self.training else 0.0
        return attend(q + self.content_bias, k, v, scores, dropout).flatten(2)

    def _score_distances(self, q: Tensor) -> Tensor:
        """Score every key by its distance alone: (B, T, H, D / H) to (B, H, T, T)."""
        num_frames = q.shape[1]
        # of the last query to the first key, down to the first query to the last key
        distances = torch.arange(num_frames - 1, -num_frames, -1, device=q.device)
        waves = sinusoids(distances, q.shape[2] * q.shape[3]).to(q.dtype)
        # (2 T - 1, D) -> (2 T - 1, H, D / H)
        r = self.project_distance(waves).unflatten(-1, (self.num_heads, -1))
        q = (q + self.distance_bias) * q.shape[-1] ** -0.5
        return align_distances(torch.einsum("bthd,shd->bhts", q, r))


def sinusoids(positions: Tensor, dim: int, base: float = 10000.0) -> Tensor:
    """Describe positions by sines and cosines of many wavelengths.

    Arguments
    ---------
    positions : Tensor
        (S,) int64, of any sign.
    dim : int
        Channels, even.
    base : float
        The longest wavelength is about ``2 pi base``.

    Returns
    -------
    Tensor
        (S, dim) float32, sines before cosines.

    Example
    -------
    >>> sinusoids(torch.tensor([0]), 4)
    tensor([[0., 0., 1., 1.]])
    """
    half = dim // 2
    exponents = torch.arange(half, device=positions.device, dtype=torch.float32) / half
    angles = positions[:, None] * base**-exponents
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def align_distances(scores: Tensor) -> Tensor:
    """Move scores that are ordered by distance to the keys at these distances.

    Arguments
    ---------
    scores : Tensor
        (..., T, 2 T - 1), last by distance of query to key, from T - 1 to 1 - T.

    Returns
    -------
    Tensor
        (..., T, T), last by key.

    Example
    -------
    >>> align_distances(torch.tensor([[1, 0, -1], [1, 0, -1]]))
    tensor([[ 0, -1],
            [ 1,  0]])
    """
    num_frames = scores.shape[-2]
    # with one column more, each row of the narrow view starts one distance later
    flat = pad(scores, (1, 0)).flatten(-2)[..., num_frames:]
    return flat.unflatten(-1, (num_frames, -1))[..., :num_frames]
