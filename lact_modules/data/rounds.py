"""Batches dealt out to the processes of a training, as many to each."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Batch = NDArray[np.int64]
"""Rows of a dataset, (B,)."""

Lengths = NDArray[np.integer] | NDArray[np.floating]
"""Of each row, (N,)."""

Round = list[Batch]
"""What the model processes at the same time: a batch of rows for each process."""


class RoundSampler(Protocol):
    """Batches of any part of a dataset, which depend on that and the epoch alone."""

    num_ranks: int

    def rounds(self, rows: Batch, epoch: int) -> list[Round]:
        """Batch rows, each once, in the order of an epoch: a batch for each process."""
        ...


def deal_batches(
    batches: Sequence[Batch], lengths: Lengths, num_ranks: int
) -> list[Round]:
    """Deal out batches in their order; where some would be missing, halve the largest.

    The shortest rows, by `lengths`, are put together where no batch can be halved.
    Empty if there are fewer rows than processes.
    """
    batches = list(batches)
    num_rows = sum(map(len, batches))
    if num_rows < num_ranks:
        return []
    more = -len(batches) % num_ranks
    if num_rows >= len(batches) + more:
        for _ in range(more):
            _halve_largest(batches)
    else:
        for _ in range(len(batches) % num_ranks):
            _join_shortest(batches, lengths)
    return [
        batches[start : start + num_ranks]
        for start in range(0, len(batches), num_ranks)
    ]


def _halve_largest(batches: list[Batch]) -> None:
    place = int(np.argmax([len(batch) for batch in batches]))
    batch = batches[place]
    half = (len(batch) + 1) // 2
    batches[place : place + 1] = [batch[:half], batch[half:]]


def _join_shortest(batches: list[Batch], lengths: Lengths) -> None:
    totals = [lengths[batch].sum() for batch in batches]
    first, second = sorted(np.argsort(totals, kind="stable")[:2].tolist())
    batches[first] = np.concatenate([batches[first], batches.pop(second)])
