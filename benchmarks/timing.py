"""Time functions: one with its backward pass, or several in turns."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor


def time_function(
    function: Callable[..., Tensor], inputs: Sequence[Tensor], repeats: int
) -> dict[str, float]:
    """Return the median milliseconds of a function after one warm-up.

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


def take_turns(
    functions: Mapping[str, Callable[[int], None]],
    rounds: int,
    budget_s: float,
    device: str,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Time functions in turns, so that what slows the machine down slows all of them.

    Arguments
    ---------
    functions : Mapping[str, Callable[[int], None]]
        By name; each is called with the number of the round. One round warms up.
    rounds : int
        How many are timed.
    budget_s : float
        Seconds after which there are no more rounds, but for the first three.
    device : str
        Where they compute.
    clock : Callable[[], float]
        Returns seconds; those of `time.process_time` count this process alone.

    Returns
    -------
    dict[str, list[float]]
        Seconds of each round.
    """
    times: dict[str, list[float]] = {name: [] for name in functions}
    started = time.perf_counter()
    for turn in range(rounds + 1):
        if turn > 3 and time.perf_counter() - started > budget_s:
            break
        for name, function in functions.items():
            began = clock()
            function(turn)
            if device == "cuda":
                torch.cuda.synchronize()
            if turn:
                times[name].append(clock() - began)
    return times
