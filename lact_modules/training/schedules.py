"""Learning-rate schedules: factors of the peak rate by optimizer step."""

import math
from collections.abc import Callable

Schedule = Callable[[float, int], float]
"""Factor of the peak learning rate, by the steps that are done and those of all."""


def warmup_cosine(
    step: float,
    total_steps: int,
    warmup_steps: int,
    start: float = 0.0,
    floor: float = 0.0,
) -> float:
    """Rise linearly from `start` to 1, then fall along half a cosine to `floor`.

    Arguments
    ---------
    step : float
        Optimizer steps taken so far, or their place in a schedule.
    total_steps : int
        Steps of the whole training.
    warmup_steps : int
        Steps of the rise; at most half of the training is spent on it.
    start : float
        Factor at step 0; the very first update uses the one of step 1.
    floor : float
        Factor at the end and beyond.

    Returns
    -------
    float
        Factor of the peak learning rate for the next update.

    Example
    -------
    >>> [round(warmup_cosine(step, 8, 2), 2) for step in range(0, 9, 2)]
    [0.5, 1.0, 0.75, 0.25, 0.0]
    """
    warmup_steps = min(warmup_steps, total_steps // 2)
    if step < warmup_steps:
        return start + (1 - start) * (step + 1) / warmup_steps
    progress = min(1.0, (step - warmup_steps) / max(1, total_steps - warmup_steps))
    return floor + (1 - floor) * (1 + math.cos(math.pi * progress)) / 2


def warmup_inverse_sqrt(step: int, total_steps: int, warmup_steps: int) -> float:
    """Rise linearly to 1, then fall with the square root of the steps taken.

    The schedule of the Transformer, known as Noam's (arXiv 1706.03762, sec. 5.3),
    scaled to a peak of 1.

    Arguments
    ---------
    step : int
        Optimizer steps taken so far.
    total_steps : int
        Steps of the whole training, which have no influence.
    warmup_steps : int
        Steps of the rise; 0 is as good as 1.

    Returns
    -------
    float
        Factor of the peak learning rate for the next update.

    Example
    -------
    >>> [warmup_inverse_sqrt(step, 100, 4) for step in (0, 1, 3, 15)]
    [0.25, 0.5, 1.0, 0.5]
    """
    progress = (step + 1) / max(1, warmup_steps)
    return min(progress, progress**-0.5)


def triangular(
    step: int,
    total_steps: int,
    cycles: int = 1,
    rise: float = 0.5,
    floor: float = 0.0,
) -> float:
    """Rise linearly from `floor` to 1 and fall back to it, once or several times.

    With several cycles the cyclical rate of arXiv 1506.01186; with one and `rise` of
    0.1 the slanted triangle of ULMFiT (arXiv 1801.06146, sec. 3.2).

    Arguments
    ---------
    step : int
        Optimizer steps taken so far.
    total_steps : int
        Steps of the whole training.
    cycles : int
        Triangles in it.
    rise : float
        Share of each that rises, above 0 and below 1.
    floor : float
        Factor at both ends of a triangle, a step before the first update and after
        the last, and beyond.

    Returns
    -------
    float
        Factor of the peak learning rate for the next update.

    Example
    -------
    >>> [triangular(step, 7) for step in range(7)]
    [0.25, 0.5, 0.75, 1.0, 0.75, 0.5, 0.25]
    """
    position = min(1.0, (step + 1) / (total_steps + 1)) * cycles
    progress = position - min(int(position), cycles - 1)
    if progress < rise:
        return floor + (1 - floor) * progress / rise
    return floor + (1 - floor) * (1 - progress) / (1 - rise)


def tri_stage(
    step: int,
    total_steps: int,
    warmup: float = 0.1,
    hold: float = 0.4,
    start: float = 0.01,
    floor: float = 0.05,
) -> float:
    """Rise linearly from `start` to 1, stay there, then fall exponentially to `floor`.

    The schedule that wav2vec 2.0 is fine-tuned with (arXiv 2006.11477, sec. 4.4).

    Arguments
    ---------
    step : int
        Optimizer steps taken so far.
    total_steps : int
        Steps of the whole training.
    warmup : float
        Share of them for the rise.
    hold : float
        Share of them at the peak.
    start : float
        Factor at step 0.
    floor : float
        Factor at the end and beyond, above 0.

    Returns
    -------
    float
        Factor of the peak learning rate for the next update.

    Example
    -------
    >>> [round(tri_stage(step, 10), 2) for step in (0, 1, 5, 7, 10)]
    [0.01, 1.0, 1.0, 0.3, 0.05]
    """
    progress = min(1.0, step / total_steps)
    if progress < warmup:
        return start + (1 - start) * progress / warmup
    if progress <= warmup + hold:
        return 1.0
    fall = (progress - warmup - hold) / (1 - warmup - hold)
    return floor**fall
