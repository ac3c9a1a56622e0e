"""Exponential moving average (EMA) of a value."""

import torch
from torch import Tensor, nn


class MovingAverage(nn.Module):
    """EMA of a value in training; of the first batches, their plain mean.

    Arguments
    ---------
    shape : tuple[int, ...]
        Of the value.
    momentum : float
        Weight of a batch.

    Example
    -------
    >>> average = MovingAverage(())
    >>> for value in (1.0, 3.0):
    ...     average.follow(torch.tensor(value))
    >>> average.value
    tensor(2.)
    """

    value: Tensor
    num_batches: Tensor

    def __init__(self, shape: tuple[int, ...], momentum: float = 0.1):
        super().__init__()
        self.momentum = momentum
        self.register_buffer("value", torch.zeros(shape))
        self.register_buffer("num_batches", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def follow(self, value: Tensor, is_known: Tensor | None = None) -> None:
        """Update it by the value in a batch, unless `is_known`, () bool, is False."""
        if is_known is None:
            is_known = torch.ones_like(self.num_batches, dtype=torch.bool)
        self.num_batches += is_known
        share = torch.clamp(1 / self.num_batches, min=self.momentum)
        self.value.copy_(
            torch.where(is_known, self.value.lerp(value, share), self.value)
        )

    def reset(self) -> None:
        """Forget the average."""
        self.num_batches.zero_()
