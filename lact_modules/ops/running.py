"""The running minimum over frames, in graphs that are exported too."""

import torch
from torch import Tensor
from torch.nn.functional import pad


def running_minimum(x: Tensor, reach: int) -> Tensor:
    """Return the lowest of each frame and those before it, (B, T).

    No frame further away than `reach` may be the lowest: formats of graphs have no
    running minimum, and there no others are looked at.
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
