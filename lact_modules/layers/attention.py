"""Softmax attention over all frames or over a window."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

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
    frames = torch.arange(is_padding.shape[1], device=is_padding.device)
    distance = frames[None, :] - frames[:, None]
    visible = ~is_padding[:, None, None, :]
    if left is not None:
        visible = visible & (distance >= -left)
    if right is not None:
        visible = visible & (distance <= right)
    return visible | (distance == 0)


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
        # (B, T, 3 D) -> 3 x (B, T, H, D / H)
        q, k, v = qkv.unflatten(-1, (3, self.num_heads, -1)).unbind(2)
        positions = torch.arange(q.shape[1], device=q.device)
        mask = attention_mask(is_padding, self.window)
        dropout = self.dropout if self.training else 0.0
        q, k = rotate(q, positions), rotate(k, positions)
        return attend(q, k, v, mask, dropout).flatten(2)
