"""Dropout that is fast on a CPU."""

from torch import Tensor, nn

from lact_modules.ops.dropout import dropout


class Dropout(nn.Dropout):
    """`torch.nn.Dropout` by another generator, see `lact_modules.ops.dropout`.

    Arguments
    ---------
    p : float
        Share of the elements that become 0 in training.

    Example
    -------
    >>> import torch
    >>> Dropout(0.5).eval()(torch.ones(2))
    tensor([1., 1.])
    """

    def __init__(self, p: float = 0.5):
        super().__init__(p)

    def forward(self, x: Tensor) -> Tensor:
        """Map (...) to (...), in training alone."""
        return dropout(x, self.p) if self.training else x
