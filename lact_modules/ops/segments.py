"""Segments of frames: take them out, average, smooth them.

After H-Net (arXiv 2507.07955, sec. 2.2). Legend: B batch, T frames, K segments, D
feature dimension.
"""

import torch
from torch import Tensor
from torch.nn.functional import pad


def boundary_frames(is_boundary: Tensor) -> Tensor:
    """Mark the frames at which segments begin.

    Arguments
    ---------
    is_boundary : Tensor
        (B, T) bool.

    Returns
    -------
    Tensor
        (B, K) int64, K the largest number of segments; what is beyond an utterance's
        segments are frames that begin none.

    Example
    -------
    >>> boundary_frames(torch.tensor([[True, False, True], [True, False, False]]))
    tensor([[0, 2],
            [0, 1]])
    """
    order = torch.argsort((~is_boundary).byte(), dim=1, stable=True)
    # shapes depend on it: read from the device, which is waited for, once a pass
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
    taken = x.flatten(0, 1).index_select(0, _rows(frames, x.shape[1]))
    return taken.view(*frames.shape, x.shape[2])


def spread(x: Tensor, is_boundary: Tensor, before: Tensor | None = None) -> Tensor:
    """Copy to each frame what its segment has.

    Arguments
    ---------
    x : Tensor
        (B, K, D) segments.
    is_boundary : Tensor
        (B, T) bool: where they begin.
    before : Tensor | None
        (B, 1, D), what frames before the first boundary are given; None: zero.

    Returns
    -------
    Tensor
        (B, T, D)

    Example
    -------
    >>> is_boundary = torch.tensor([[False, True, False, True]])
    >>> spread(torch.tensor([[[4.0], [8.0]]]), is_boundary).flatten()
    tensor([0., 4., 4., 8.])
    """
    if before is None:
        before = x.new_zeros(len(x), 1, x.shape[2])
    return take_frames(torch.cat([before, x], dim=1), is_boundary.cumsum(dim=1))


def segment_means(
    x: Tensor, is_boundary: Tensor, is_padding: Tensor, num_segments: int
) -> Tensor:
    """Average the frames of each segment.

    Arguments
    ---------
    x : Tensor
        (B, T, D), finite; values at padding have no influence.
    is_boundary : Tensor
        (B, T) bool.
    is_padding : Tensor
        (B, T) bool.
    num_segments : int
        K, the largest number of segments of an utterance.

    Returns
    -------
    Tensor
        (B, K, D); zero beyond an utterance's segments.

    Example
    -------
    >>> x, none = torch.tensor([[[1.0], [3.0], [5.0]]]), torch.zeros(1, 3).bool()
    >>> segment_means(x, torch.tensor([[True, False, True]]), none, 2)
    tensor([[[2.],
             [5.]]])
    """
    # what is before the first boundary is summed up too, and left out
    number = is_boundary.cumsum(dim=1)
    shape = len(x), 1 + num_segments
    rows = _rows(number, shape[1])
    weight = (~is_padding).to(x.dtype)
    frames = (x * weight[..., None]).flatten(0, 1)
    total = x.new_zeros(shape[0] * shape[1], x.shape[2]).index_add(0, rows, frames)
    count = x.new_zeros(shape[0] * shape[1]).index_add(0, rows, weight.flatten())
    return (total / count.clamp(min=1)[:, None]).view(*shape, x.shape[2])[:, 1:]


def smooth(
    x: Tensor, share: Tensor, before: Tensor | None = None, two_sided: bool = False
) -> Tensor:
    """Average each segment with those before it, the more, the less sure its boundary.

    ``y_k = p_k x_k + (1 - p_k) y_{k-1}`` (arXiv 2507.07955, sec. 2), in a number of
    steps that is the logarithm of K.

    Arguments
    ---------
    x : Tensor
        (B, K, D) segments.
    share : Tensor
        (B, K) the probabilities p of their boundaries; 0 beyond the segments. The first
        segment with one has nothing to be averaged with.
    before : Tensor | None
        (B, 1, D) y of the segment before the first; None: there is none.
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
    # of each segment, what it is of the segments up to it, and of what is before these
    y, left, reach = share * x, 1 - share, 1
    while reach < x.shape[1]:
        y = y + left * pad(y, (0, 0, reach, 0))[:, :-reach]
        left = left * pad(left, (0, 0, reach, 0))[:, :-reach]
        reach *= 2
    return y


def _rows(index: Tensor, length: int) -> Tensor:
    # of utterances laid end to end: whole rows are copied faster than numbers
    first = length * torch.arange(len(index), device=index.device)
    return (index + first[:, None]).flatten()
