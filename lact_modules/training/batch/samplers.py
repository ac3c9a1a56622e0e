"""Which utterances form a batch: as many a step, or as many seconds a batch."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from speechbrain.dataio.sampler import DynamicBatchSampler

from lact_modules.data.rounds import Batch, Round, RoundSampler, deal_batches
from lact_modules.errors import InputError

# utterances of a batch, where each number is a class of its own
_MAX_COUNT = 64
_ROUNDING = 1e-6


class EffectiveBatchSampler:
    """Share out among ranks what an optimizer step takes.

    Utterances come in random order, another one each epoch, and the order does not
    depend on the number of ranks. The last step of an epoch takes what remains. Shares
    are alike in durations, and sorted by them.
    """

    def __init__(
        self,
        durations: Sequence[float],
        target: int,
        seed: int = 0,
        num_ranks: int = 1,
    ):
        if target % num_ranks:
            raise InputError(
                f"target_effective_batch {target}: cannot be shared evenly among "
                f"{num_ranks} processes; take a multiple of {num_ranks}"
            )
        if len(durations) < target:
            raise InputError(
                f"target_effective_batch {target}: there are only {len(durations)} "
                "utterances to train on; lower it"
            )
        self.durations = np.asarray(durations)
        self.target = target
        self.seed = seed
        self.num_ranks = num_ranks

    def rounds(self, rows: Batch, epoch: int) -> list[Round]:
        """Return, for each step, every rank's share; each row is in one of them."""
        generator = np.random.default_rng((self.seed, epoch))
        order = rows[generator.permutation(len(rows))]
        starts = [*range(0, len(rows), self.target)]
        if len(rows) - starts[-1] < self.num_ranks:
            # too few for a step that every rank takes part in
            starts.pop()
        steps = np.split(order, starts[1:]) if starts else []
        return [self._share(step) for step in steps]

    def _share(self, step: Batch) -> Round:
        step = step[np.argsort(self.durations[step], kind="stable")]
        return [step[rank :: self.num_ranks] for rank in range(self.num_ranks)]


class BucketBatchSampler:
    """Batch utterances of like duration, at random, another way each epoch.

    A batch has up to ``max_batch_length`` seconds, padding included.
    ``num_buckets=None`` makes one for each number of utterances that a batch holds, so
    that batches of long ones are as full as others.
    """

    def __init__(
        self,
        durations: Sequence[float],
        max_batch_length: float,
        max_batch_size: int | None = None,
        num_buckets: int | None = 30,
        seed: int = 0,
        num_ranks: int = 1,
    ):
        if len(durations) < num_ranks:
            raise InputError(
                f"{len(durations)} utterances are too few for {num_ranks} processes; "
                "start fewer"
            )
        self.durations = np.asarray(durations)
        self.num_ranks = num_ranks
        self.options: dict[str, Any] = {
            "max_batch_length": max_batch_length,
            "num_buckets": num_buckets,
            "max_batch_ex": max_batch_size,
            "seed": seed,
        }
        if num_buckets is None:
            # durations are sums of floats, and so are quotients rounded
            counts = range(_MAX_COUNT, 0, -1)
            borders = [(1 + _ROUNDING) * max_batch_length / n for n in counts]
            self.options["bucket_boundaries"] = borders
            self.options["max_batch_length"] = (1 + 2 * _ROUNDING) * max_batch_length

    def rounds(self, rows: Batch, epoch: int) -> list[Round]:
        """Batch rows of the dataset, each once, see `RoundSampler`."""
        durations = self.durations[rows].tolist()
        sampler = DynamicBatchSampler(
            rows, lengths_list=durations, epoch=epoch, **self.options
        )
        # read to its end, it would batch them all once more
        places = itertools.islice(sampler, len(sampler))
        batches = [rows[batch] for batch in places]
        return deal_batches(batches, self.durations, self.num_ranks)


class StagedSampler:
    """Batches of another sampler from an epoch on; keys are epochs, 1 among them."""

    def __init__(self, samplers: Mapping[int, RoundSampler]):
        self.samplers = samplers
        self.num_ranks = self.first.num_ranks

    @property
    def first(self) -> RoundSampler:
        """Of the first epoch."""
        return self.samplers[1]

    def rounds(self, rows: Batch, epoch: int) -> list[Round]:
        """Batch rows of the dataset, each once, see `RoundSampler`."""
        begun = max(first for first in self.samplers if first <= epoch)
        return self.samplers[begun].rounds(rows, epoch)
