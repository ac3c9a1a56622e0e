"""The precision that sums over many frames are kept in."""

import torch
from torch import Tensor


def in_full(x: Tensor) -> Tensor:
    """Return float32, or float64 for float64."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
