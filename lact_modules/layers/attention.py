"""Softmax attention over all frames or over a window."""

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

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
        (B, 1, T, T) bool, True where to look; None for everywhere.
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
