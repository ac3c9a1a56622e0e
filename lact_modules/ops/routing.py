"""Where segments of frames begin, and what that choice is to learn.

After H-Net (arXiv 2507.07955, sec. 2.2). Legend: B batch, T frames.
"""

from typing import NamedTuple

import torch
from torch import Tensor

# Sums of equal rates may be that much below a whole number.
_NEXT_TO = 1e-9


class Routing(NamedTuple):
    """Where segments begin.

    Arguments
    ---------
    is_boundary : Tensor
        (B, T) bool: frames that begin a segment; padding does not.
    probability : Tensor
        (B, T) float32 of beginning a segment, of a choice that was made 1 or 0, but
        differentiable; 0 at padding.
    """

    is_boundary: Tensor
    probability: Tensor

    @property
    def num_segments(self) -> Tensor:
        """Segments of each utterance, (B,) int64."""
        return self.is_boundary.sum(dim=1)


def rate_offset(
    score: Tensor, keep_ratio: float | Tensor, is_valid: Tensor | None = None
) -> Tensor:
    """Find the offset with which ``min(1, exp(score + offset))`` has that mean.

    Arguments
    ---------
    score : Tensor
        (N,), one at least.
    keep_ratio : float | Tensor
        Above 0, at most 1; () on the scores' device.
    is_valid : Tensor | None
        (N,) bool: scores that count; None: all. If none does, the offset means nothing.

    Returns
    -------
    Tensor
        (), of the scores' dtype.

    Example
    -------
    >>> score = torch.tensor([0.0, 1.0, 5.0])
    >>> (score + rate_offset(score, keep_ratio=0.5)).clamp(max=0).exp().mean()
    tensor(0.5000)
    """
    if is_valid is None:
        is_valid = torch.ones_like(score, dtype=torch.bool)
    ranked = score.double().masked_fill(~is_valid, torch.inf).sort().values
    total = is_valid.sum()
    count = torch.arange(1, len(ranked) + 1, device=ranked.device)
    # if the rates of all but so many of the lowest ones are 1
    left = keep_ratio * total - (total - count)
    offset = left.clamp(min=0).log() - ranked.logcumsumexp(dim=0)
    is_it = (offset + ranked <= _NEXT_TO) & (count <= total)
    best = (is_it * count).argmax(dim=0, keepdim=True)
    # indexing by a number on a GPU would wait for it
    return offset.index_select(0, best)[0].to(score.dtype)


def straight_through(choice: Tensor, soft: Tensor) -> Tensor:
    """Return a choice, with the gradient of what it was made by.

    The estimator of arXiv 1308.3432, which H-Net uses (arXiv 2507.07955, sec. 2).

    Arguments
    ---------
    choice : Tensor
        Of any shape, any dtype.
    soft : Tensor
        Of that shape.

    Returns
    -------
    Tensor
        As `choice`, float32.

    Example
    -------
    >>> soft = torch.tensor([0.7], requires_grad=True)
    >>> chosen = straight_through(soft > 0.5, soft)
    >>> chosen.backward()
    >>> chosen.item(), soft.grad.item()
    (1.0, 1.0)
    """
    return choice.float() + (soft - soft.detach()).float()


def accumulate(
    rate: Tensor, is_padding: Tensor, reached: Tensor | None = None
) -> tuple[Routing, Tensor]:
    """Begin a segment wherever rates, summed up, reach another whole number.

    Arguments
    ---------
    rate : Tensor
        (B, T), from 0 to 1.
    is_padding : Tensor
        (B, T) bool, True at padding, which follows the valid frames.
    reached : Tensor | None
        (B,) float64, what the frames before have left over; None at the beginning,
        where a segment begins.

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
    whole = (total + _NEXT_TO).floor()
    is_boundary = whole[:, 1:] > whole[:, :-1]
    left = total[:, -1] - whole[:, -1]
    chosen = straight_through(is_boundary, rate).masked_fill(is_padding, 0.0)
    return Routing(is_boundary, chosen), left


def confidence(routing: Routing) -> Tensor:
    """Compute the probability of the choice: p at a boundary, 1 - p elsewhere.

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


def ratio_loss(
    routing: Routing, is_padding: Tensor, keep_ratio: float | Tensor
) -> Tensor:
    """Ask that a share of the frames begins segments (arXiv 2507.07955, sec. 2).

    With F the share of boundaries, G the mean probability and ``N = 1 / keep_ratio``:
    ``N / (N - 1) * ((N - 1) F G + (1 - F)(1 - G))``. At F = G = 1 / N it is 1.

    Arguments
    ---------
    routing : Routing
        Of (B, T) frames.
    is_padding : Tensor
        (B, T) bool.
    keep_ratio : float | Tensor
        Share of frames to keep, above 0 and below 1; () on their device.

    Returns
    -------
    Tensor
        (B,) of each utterance; its gradient is that of G.

    Example
    -------
    >>> is_padding = torch.zeros(1, 4).bool()
    >>> routing, _ = accumulate(torch.full((1, 4), 0.5), is_padding)
    >>> ratio_loss(routing, is_padding, keep_ratio=0.5)
    tensor([1.])
    """
    count = (~is_padding).sum(dim=1).clamp(min=1)
    chosen = routing.is_boundary.sum(dim=1) / count
    mean = routing.probability.sum(dim=1) / count
    times = 1 / keep_ratio
    both = (times - 1) * chosen * mean + (1 - chosen) * (1 - mean)
    return times / (times - 1) * both
