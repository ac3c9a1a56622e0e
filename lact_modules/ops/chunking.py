"""Chunks of frames: take them out, average, smooth them.

After H-Net (arXiv 2507.07955, sec. 2.2). Legend: B batch, T frames, K chunks, D feature
dimension.
"""

import torch
from torch import Tensor
from torch.nn.functional import pad


def boundary_frames(is_boundary: Tensor) -> Tensor:
    """Tell at which frames chunks begin.

    Arguments
    ---------
    is_boundary : Tensor
        (B, T) bool.

    Returns
    -------
    Tensor
        (B, K) int64, K the largest number of chunks; what is beyond an utterance's
        chunks are frames that begin none.

    Example
    -------
    >>> boundary_frames(torch.tensor([[True, False, True], [True, False, False]]))
    tensor([[0, 2],
            [0, 1]])
    """
    order = torch.argsort((~is_boundary).byte(), dim=1, stable=True)
    most = int(is_boundary.sum(dim=1).max()) if is_boundary.numel() else 0
    return order[:, :most]


def take_frames(x: Tensor, frames: Tensor) -> Tensor:
    """Take frames (B, K) of x (B, T, D): (B, K, D).

    Arguments
    ---------
    x : Tensor
        (B, T, D)
    frames : Tensor
        (B, K) int64.

    Returns
    -------
    Tensor
        (B, K, D)

    Example
    -------
    >>> take_frames(torch.tensor([[[1.0], [2.0], [3.0]]]), torch.tensor([[2, 0]]))
    tensor([[[3.],
             [1.]]])
    """
    return x.gather(1, frames[..., None].expand(-1, -1, x.shape[-1]))


def chunk_index(is_boundary: Tensor) -> Tensor:
    """Tell which chunk each frame is of.

    Arguments
    ---------
    is_boundary : Tensor
        (B, T) bool; frames before the first boundary count as of the first chunk.

    Returns
    -------
    Tensor
        (B, T) int64, from 0 on.

    Example
    -------
    >>> chunk_index(torch.tensor([[True, False, True, False]]))
    tensor([[0, 0, 1, 1]])
    """
    return (is_boundary.cumsum(dim=1) - 1).clamp(min=0)


def chunk_means(x: Tensor, is_boundary: Tensor, is_padding: Tensor) -> Tensor:
    """Average the frames of each chunk.

    Arguments
    ---------
    x : Tensor
        (B, T, D), finite; what stands at padding has no influence.
    is_boundary : Tensor
        (B, T) bool.
    is_padding : Tensor
        (B, T) bool.

    Returns
    -------
    Tensor
        (B, K, D), K the largest number of chunks; zero beyond an utterance's chunks.

    Example
    -------
    >>> x, none = torch.tensor([[[1.0], [3.0], [5.0]]]), torch.zeros(1, 3).bool()
    >>> chunk_means(x, torch.tensor([[True, False, True]]), none)
    tensor([[[2.],
             [5.]]])
    """
    most = int(is_boundary.sum(dim=1).max()) if is_boundary.numel() else 0
    index = chunk_index(is_boundary)
    weight = (~is_padding).to(x.dtype)
    count = x.new_zeros(len(x), most).scatter_add(1, index, weight)
    where = index[..., None].expand_as(x)
    masked = x * weight[..., None]
    total = x.new_zeros(len(x), most, x.shape[-1]).scatter_add(1, where, masked)
    return total / count.clamp(min=1)[..., None]


def smooth(
    x: Tensor, share: Tensor, before: Tensor | None = None, two_sided: bool = False
) -> Tensor:
    """Average each chunk with those before it, the more the less sure its boundary is.

    ``y_k = p_k x_k + (1 - p_k) y_{k-1}`` (arXiv 2507.07955, sec. 2), in a number of
    steps that is the logarithm of K.

    Arguments
    ---------
    x : Tensor
        (B, K, D) chunks.
    share : Tensor
        (B, K) the probabilities p of their boundaries; 0 beyond the chunks. The first
        chunk with one has nothing to be averaged with.
    before : Tensor | None
        (B, 1, D) y of the chunk before the first; None: there is none.
    two_sided : bool
        Average that with the same from the other end.

    Returns
    -------
    Tensor
        (B, K, D)

    Example
    -------
    >>> x = torch.tensor([[[4.0], [8.0]]])
    >>> smooth(x, torch.tensor([[1.0, 0.75]])).flatten()
    tensor([4., 7.])
    """
    if before is not None:
        x = torch.cat([before, x], dim=1)
        share = pad(share, (1, 0), value=1.0)
    share = share.to(x.dtype)
    y = _scan(x, share)
    if two_sided:
        y = (y + _scan(x.flip(1), share.flip(1)).flip(1)) / 2
    return y if before is None else y[:, 1:]


def _scan(x: Tensor, share: Tensor) -> Tensor:
    is_first = (share > 0).cumsum(dim=1) == 1
    share = torch.where((share > 0) & is_first, 1.0, share)[..., None]
    # of each chunk, what it is of the chunks up to it, and of what is before these
    y, left, reach = share * x, 1 - share, 1
    while reach < x.shape[1]:
        y = y + left * pad(y, (0, 0, reach, 0))[:, :-reach]
        left = left * pad(left, (0, 0, reach, 0))[:, :-reach]
        reach *= 2
    return y
