"""Time a function of tensors, and its backward pass."""

import statistics
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def time_function(
    function: Callable[..., Tensor], inputs: Sequence[Tensor], repeats: int
) -> dict[str, float]:
    """Give the median milliseconds of a function after one warm-up.

    Arguments
    ---------
    function : Callable[..., Tensor]
        What to time.
    inputs : Sequence[Tensor]
        Its arguments, all with gradients.
    repeats : int
        How many calls to take the median of.

    Returns
    -------
    dict[str, float]
        ``forward_ms`` and ``forward_backward_ms``.
    """

    def now() -> float:
        if inputs[0].is_cuda:
            torch.cuda.synchronize()
        return time.perf_counter()

    def run() -> tuple[float, float]:
        started = now()
        y = function(*inputs)
        answered = now()
        torch.autograd.grad(y, inputs, torch.ones_like(y), allow_unused=True)
        return answered - started, now() - started

    run()
    forward, both = zip(*(run() for _ in range(repeats)), strict=True)
    return {
        "forward_ms": round(1000 * statistics.median(forward), 2),
        "forward_backward_ms": round(1000 * statistics.median(both), 2),
    }
