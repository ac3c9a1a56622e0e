"""Dynamic chunking: keep the frames that begin a chunk, and spread them out again.

After H-Net (arXiv 2507.07955, sec. 2.2). Legend: B batch, T frames, K kept frames,
D feature dimension.
"""

from typing import NamedTuple

import torch
from torch import Tensor

# What a sure boundary leaves of the chunks before it; its logarithm is finite.
_NOTHING = 1e-30
_NEXT_TO = 1e-9


class Routing(NamedTuple):
    """Where chunks begin.

    Arguments
    ---------
    is_boundary : Tensor
        (B, T) bool: frames that begin a chunk; padding does not.
    probability : Tensor
        (B, T) float32 of beginning a chunk, of a choice that was made 1 or 0, but
        differentiable; 0 at padding.
    """

    is_boundary: Tensor
    probability: Tensor

    @property
    def num_chunks(self) -> Tensor:
        """Chunks of each utterance, (B,) int64."""
        return self.is_boundary.sum(dim=1)


def rate_offset(score: Tensor, kept: float) -> Tensor:
    """Find the offset with which the mean of ``min(1, exp(score + offset))`` is `kept`.

    Arguments
    ---------
    score : Tensor
        (N,), one at least.
    kept : float
        Above 0, at most 1.

    Returns
    -------
    Tensor
        (), of the scores' dtype.

    Example
    -------
    >>> score = torch.tensor([0.0, 1.0, 5.0])
    >>> (score + rate_offset(score, kept=0.5)).clamp(max=0).exp().mean()
    tensor(0.5000)
    """
    ranked = score.double().sort().values
    count = torch.arange(1, len(ranked) + 1, device=ranked.device)
    # if the rates of all but so many of the lowest ones are 1
    left = kept * len(ranked) - (len(ranked) - count)
    offset = left.clamp(min=0).log() - ranked.logcumsumexp(dim=0)
    is_it = offset + ranked <= _NEXT_TO
    return offset[(is_it * count).argmax()].to(score.dtype)


def accumulate(
    rate: Tensor, is_padding: Tensor, reached: Tensor | None = None
) -> tuple[Routing, Tensor]:
    """Begin a chunk wherever rates, summed up, reach another whole number.

    Arguments
    ---------
    rate : Tensor
        (B, T), from 0 to 1.
    is_padding : Tensor
        (B, T) bool, True at padding, which stands after the valid frames.
    reached : Tensor | None
        (B,) float64, what the frames before have left over; None at the beginning,
        where a chunk begins.

    Returns
    -------
    routing : Routing
        Its probabilities are those of what was chosen, 1 and 0, with the gradient of
        the rates.
    reached : Tensor
        (B,) float64, after these frames.

    Example
    -------
    >>> rate = torch.tensor([[0.5, 0.5, 0.5, 0.25, 0.75]])
    >>> routing, _ = accumulate(rate, torch.zeros(1, 5).bool())
    >>> routing.is_boundary.int()
    tensor([[1, 0, 1, 0, 1]], dtype=torch.int32)
    """
    steps = rate.detach().double().masked_fill(is_padding, 0.0)
    if reached is None:
        reached = steps.new_zeros(len(steps))
        steps[:, :1] = (~is_padding[:, :1]).double()
    total = torch.cat([reached[:, None], steps], dim=1).cumsum(dim=1)
    # sums of equal rates may come out just below a whole number
    whole = (total + _NEXT_TO).floor()
    is_boundary = whole[:, 1:] > whole[:, :-1]
    left = total[:, -1] - whole[:, -1]
    chosen = is_boundary.float() + (rate - rate.detach()).float()
    return Routing(is_boundary, chosen.masked_fill(is_padding, 0.0)), left


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

    ``y_k = p_k x_k + (1 - p_k) y_{k-1}`` (arXiv 2507.07955, sec. 2), with no loop: what
    is left of each chunk in each later one is a triangle of products.

    Arguments
    ---------
    x : Tensor
        (B, K, D) chunks.
    share : Tensor
        (B, K) the probabilities p of their boundaries; 0 beyond the chunks.
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
        share = torch.cat([share.new_ones(len(share), 1), share], dim=1)
    wide = _wide(x)
    y = _shares(share).to(wide.dtype) @ wide
    if two_sided:
        backward = _shares(share.flip(1)).flip(1, 2).to(wide.dtype)
        y = (y + backward @ wide) / 2
    y = y.to(x.dtype)
    return y if before is None else y[:, 1:]


def straight_through(probability: Tensor) -> Tensor:
    """Give 1, with the gradient of the probability (arXiv 2507.07955, sec. 2).

    Arguments
    ---------
    probability : Tensor
        Of any shape.

    Returns
    -------
    Tensor
        Ones of that shape.

    Example
    -------
    >>> probability = torch.tensor([0.7], requires_grad=True)
    >>> straight_through(probability).backward()
    >>> probability.grad
    tensor([1.])
    """
    return probability + (1 - probability).detach()


def confidence(routing: Routing) -> Tensor:
    """Tell how probable what was chosen was: p at a boundary, 1 - p elsewhere.

    Arguments
    ---------
    routing : Routing
        Of (B, T) frames.

    Returns
    -------
    Tensor
        (B, T) float32.

    Example
    -------
    >>> confidence(Routing(torch.tensor([[True, False]]), torch.tensor([[1.0, 0.25]])))
    tensor([[1.0000, 0.7500]])
    """
    p = routing.probability
    return torch.where(routing.is_boundary, p, 1 - p)


def ratio_loss(routing: Routing, is_padding: Tensor, kept: float) -> Tensor:
    """Ask that a share of the frames begins chunks (arXiv 2507.07955, sec. 2).

    With F the share of boundaries, G the mean probability and ``N = 1 / kept``:
    ``N / (N - 1) * ((N - 1) F G + (1 - F)(1 - G))``. At F = G = 1 / N it is 1.

    Arguments
    ---------
    routing : Routing
        Of (B, T) frames.
    is_padding : Tensor
        (B, T) bool.
    kept : float
        Share of frames to keep, above 0 and below 1.

    Returns
    -------
    Tensor
        (B,) of each utterance; its gradient is that of G.

    Example
    -------
    >>> is_padding = torch.zeros(1, 4).bool()
    >>> routing, _ = accumulate(torch.full((1, 4), 0.5), is_padding)
    >>> ratio_loss(routing, is_padding, kept=0.5)
    tensor([1.])
    """
    count = (~is_padding).sum(dim=1).clamp(min=1)
    chosen = routing.is_boundary.sum(dim=1) / count
    mean = routing.probability.sum(dim=1) / count
    times = 1 / kept
    both = (times - 1) * chosen * mean + (1 - chosen) * (1 - mean)
    return times / (times - 1) * both


def _shares(share: Tensor) -> Tensor:
    """Tell how much of chunk s is in the average of chunk k, (B, K, K) float64."""
    p = share.double()
    # chunks before the first one with a share have nothing to be averaged with
    is_first = (p > 0).cumsum(dim=1) == 1
    p = torch.where((p > 0) & is_first, 1.0, p)
    lost = (1 - p).clamp(min=_NOTHING).log().cumsum(dim=1)
    since = lost[..., None] - lost[:, None]
    is_later = torch.ones_like(since, dtype=torch.bool).triu(1)
    return p[:, None] * since.masked_fill(is_later, -torch.inf).exp()


def _wide(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))
