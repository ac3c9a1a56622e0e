"""Softmax attention: over all frames, near ones, or chunks of them.

What sees near frames alone is computed in blocks of queries, each beside the keys that
it may see: time and memory grow with the frames, not with their square. In C++ that is
for float32 on a CPU; elsewhere the blocks go through `scaled_dot_product_attention`.
"""

from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import pad, scaled_dot_product_attention

from lact_modules.ops.cpu.local_attention import (
    Sight,
    has_native_attention,
    native_attention,
)
from lact_modules.ops.padding import is_known_whole
from lact_modules.ops.rotary import Rotation, rotate

Window = tuple[int | None, int | None]
"""Frames to the left and to the right that a query sees; None for all."""

# fewer queries at once would not keep a processor busy
_MIN_BLOCK = 32


def attend(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, dropout: float = 0.0
) -> Tensor:
    """Run scaled dot-product attention on (B, T, H, D) tensors.

    Arguments
    ---------
    q : Tensor
        (B, T, H, D)
    k : Tensor
        (B, S, H, D)
    v : Tensor
        (B, S, H, D)
    mask : Tensor | None
        Broadcasts to (B, H, T, S): bool, True where to look, or floats, added to the
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


def attention_mask(is_padding: Tensor, window: Window = (None, None)) -> Tensor:
    """Mark the keys each query may attend to, as in `window_attention`.

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


def window_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    is_padding: Tensor,
    window: Window = (None, None),
    dropout: float = 0.0,
    rotation: Rotation | None = None,
) -> Tensor:
    """Attend to near frames: `attend` with the `attention_mask` of a window.

    Linear in T, in time and memory, if the window has two ends.

    Arguments
    ---------
    q : Tensor
        (B, T, H, D)
    k : Tensor
        (B, T, H, D)
    v : Tensor
        (B, T, H, D)
    is_padding : Tensor
        (B, T) bool, True at padding, whose keys are not looked at.
    window : Window
        Frames to the left and to the right that a query sees; None for all.
    dropout : float
        Of attention weights.
    rotation : Rotation | None
        By which queries and keys are turned before.

    Returns
    -------
    Tensor
        (B, T, H, D); finite but meaningless at padding.

    Example
    -------
    >>> x, is_padding = torch.randn(1, 99, 2, 4), torch.zeros(1, 99, dtype=torch.bool)
    >>> dense = attend(x, x, x, attention_mask(is_padding, (3, 1)))
    >>> near = window_attention(x, x, x, is_padding, (3, 1))
    >>> torch.allclose(near, dense, atol=1e-5)
    True
    """
    written = partial(
        _window_attention,
        is_padding=is_padding,
        window=window,
        dropout=dropout,
        rotation=rotation,
    )
    if window == (None, None) or not has_native_attention(q, dropout):
        return written(q, k, v)
    (left, right), num_frames = window, q.shape[1]
    frame = torch.arange(num_frames)
    sight = Sight(
        first=(frame - (num_frames if left is None else left)).clamp(min=0),
        stop=(frame + 1 + (num_frames if right is None else right)).clamp(
            max=num_frames
        ),
    )
    return native_attention(q, k, v, is_padding, sight, written, rotation)


def _window_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    is_padding: Tensor,
    window: Window,
    dropout: float,
    rotation: Rotation | None,
) -> Tensor:
    if rotation is not None:
        # (B, T, H, D) -> (B, H, T, D) and back
        q, k = (rotate(x.transpose(1, 2), rotation).transpose(1, 2) for x in (q, k))
    left, right = window
    if left is None and right is None:
        return attend(q, k, v, _key_mask(is_padding), dropout)
    if left is None or right is None:
        return attend(q, k, v, attention_mask(is_padding, window), dropout)
    # with blocks as long as the longer side most computed scores are used
    size = max(left, right, _MIN_BLOCK)
    # an exported graph has one way for all lengths
    if not torch.compiler.is_exporting() and q.shape[1] <= size + left + right:
        return attend(q, k, v, attention_mask(is_padding, window), dropout)
    query = torch.arange(size, device=q.device)[:, None]
    key = torch.arange(-left, size + right, device=q.device)
    near = (key >= query - left) & (key <= query + right)
    return _in_blocks(q, k, v, is_padding, near, left, dropout)


def chunk_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    is_padding: Tensor,
    size: int,
    left: int,
    dropout: float = 0.0,
) -> Tensor:
    """Attend to a frame's chunk and to some frames before the chunk.

    Arguments
    ---------
    q : Tensor
        (B, T, H, D), from the beginning of a chunk.
    k : Tensor
        (B, P + T, H, D), after those of P frames before.
    v : Tensor
        (B, P + T, H, D)
    is_padding : Tensor
        (B, P + T) bool, True at padding, whose keys are not looked at.
    size : int
        Frames of a chunk; the last may be shorter.
    left : int
        Frames before its chunk that a query sees.
    dropout : float
        Of attention weights.

    Returns
    -------
    Tensor
        (B, T, H, D); finite but meaningless at padding.

    Example
    -------
    >>> x, is_padding = torch.randn(1, 9, 2, 4), torch.zeros(1, 9, dtype=torch.bool)
    >>> whole = chunk_attention(x, x, x, is_padding, size=2, left=4)
    >>> last = chunk_attention(x[:, 8:], x, x, is_padding, size=2, left=4)
    >>> torch.allclose(whole[:, 8:], last, atol=1e-5)
    True
    """
    num_frames, num_keys = q.shape[1], k.shape[1]
    size = min(size, num_frames)
    near = torch.ones(size, left + size, dtype=torch.bool, device=q.device)
    written = partial(
        _in_blocks, is_padding=is_padding, near=near, left=left, dropout=dropout
    )
    if not has_native_attention(q, dropout):
        return written(q, k, v)
    chunk = torch.arange(num_frames) // size * size + num_keys - num_frames
    sight = Sight((chunk - left).clamp(min=0), (chunk + size).clamp(max=num_keys))
    return native_attention(q, k, v, is_padding, sight, written)


def _in_blocks(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    is_padding: Tensor,
    near: Tensor,
    left: int,
    dropout: float,
) -> Tensor:
    """Attend with blocks of queries, each to the span of keys around it.

    `near` (size, span) marks the keys of its span that each query of a block sees; the
    span begins `left` keys before the block.
    """
    batch, num_frames = q.shape[:2]
    size, span = near.shape
    # ONNX divides numbers below zero otherwise
    num_blocks = (num_frames + size - 1) // size
    # so many keys are missing at both ends, or, where negative, are seen by no query
    before = left - (k.shape[1] - num_frames)
    after = num_blocks * size - num_frames + span - left - size

    def spans(x: Tensor, value: float = 0.0) -> Tensor:
        """Cut (B, S, ...) to (B N, span, ...)."""
        ends = [0, 0] * (x.dim() - 2) + [before, after]
        # (B, N, ..., span) -> (B, N, span, ...)
        cut = pad(x, ends, value=value).unfold(1, span, size).movedim(-1, 2)
        return cut.flatten(0, 1)

    ends = [0, 0, 0, 0, 0, num_blocks * size - num_frames]
    q = pad(q, ends).unflatten(1, (num_blocks, size)).flatten(0, 1)
    # a frame always sees itself, so that rows of padding stay finite
    itself = torch.ones_like(near).triu(left).tril(left)
    mask = ~spans(is_padding, True)[:, None] & near | itself
    output = attend(q, spans(k), spans(v), mask[:, None], dropout)
    return output.unflatten(0, (batch, num_blocks)).flatten(1, 2)[:, :num_frames]


def _key_mask(is_padding: Tensor) -> Tensor | None:
    """Mark the keys that may be seen, (B, 1, 1, T); None where all are known to be."""
    # without a mask attention takes half the time
    if is_known_whole(is_padding):
        return None
    # of an utterance that is nothing but padding, all: the result is to be finite
    is_empty = is_padding.all(dim=1, keepdim=True)
    return (~is_padding | is_empty)[:, None, None, :]
