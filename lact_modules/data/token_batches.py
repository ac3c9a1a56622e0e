"""Batches of token sequences of like length, bounded by their number of tokens."""

import numpy as np
from numpy.typing import NDArray

from lact_modules.data.rounds import Batch, Round, deal_batches
from lact_modules.errors import InputError


def cut_batches(
    lengths: NDArray[np.integer], max_tokens: int
) -> list[NDArray[np.int64]]:
    """Cut sequences, the shortest first, into batches of at most `max_tokens`.

    `lengths` (N,) are above 0, and the tokens of a batch include padding; a longer
    sequence is a batch of its own. Those of equal length keep their order.
    """
    order = np.argsort(lengths, kind="stable")
    ordered = lengths[order].astype(np.int64)
    batches = []
    start = 0
    while start < len(order):
        # what any further sequence makes of the batch grows with each
        window = ordered[start : start + max(max_tokens // ordered[start], 1)]
        sizes = window * np.arange(1, len(window) + 1)
        stop = start + max(int(np.searchsorted(sizes, max_tokens, side="right")), 1)
        batches.append(order[start:stop])
        start = stop
    return batches


class TokenBatchSampler:
    """Batches in another order each epoch, of sequences of like length.

    Which sequences of one length come together differs by epoch too; the number of
    batches does not. `lengths` (N,) and `max_tokens` are those of `cut_batches`;
    `num_ranks` processes share the batches. Raises InputError if there are fewer
    sequences than ranks.
    """

    def __init__(
        self,
        lengths: NDArray[np.integer],
        max_tokens: int,
        seed: int = 0,
        num_ranks: int = 1,
    ):
        self.lengths = lengths
        self.max_tokens = max_tokens
        self.seed = seed
        self.num_ranks = num_ranks
        if len(lengths) < num_ranks:
            raise InputError(
                f"{len(lengths)} texts are too few for {num_ranks} processes; start "
                "fewer"
            )

    def rounds(self, rows: Batch, epoch: int) -> list[Round]:
        """Batch rows of the dataset, each once, see `RoundSampler`."""
        generator = np.random.default_rng((self.seed, epoch))
        order = rows[generator.permutation(len(rows))]
        batches = cut_batches(self.lengths[order], self.max_tokens)
        shuffled = [
            order[batches[index]] for index in generator.permutation(len(batches))
        ]
        return deal_batches(shuffled, self.lengths, self.num_ranks)
