"""The running minimum over frames, in graphs that are exported too."""

import torch
from torch import Tensor
from torch.nn.functional import pad


def running_minimum(x: Tensor, reach: int) -> Tensor:
    """Return the lowest of each frame and those before it.

    Arguments
    ---------
    x : Tensor
        (B, T), floating.
    reach : int
        Frames before, of which the caller knows that none further away is the lowest;
        formats of graphs have no running minimum, and there no others are looked at.

    Returns
    -------
    Tensor
        (B, T)

    Example
    -------
    >>> running_minimum(torch.tensor([[3.0, 1.0, 2.0, 0.0]]), reach=3)
    tensor([[3., 1., 1., 0.]])
    """
    if not torch.compiler.is_exporting():
        return x.cummin(1).values
    if isinstance(x.shape[1], int):
        # the length is known: a step of a stream
        reach = min(reach, x.shape[1] - 1)
    shift = 1
    while shift <= reach:
        # each frame knows 2 shift frames after this
        before = pad(x, (shift, 0), value=torch.inf)[:, : x.shape[1]]
        x, shift = torch.minimum(x, before), 2 * shift
    return x
