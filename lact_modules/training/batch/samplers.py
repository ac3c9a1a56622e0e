"""Which utterances come together: as many a step, or as many seconds a batch."""

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
    depend on the number of ranks. The last step of an epoch takes what remains.

    Arguments
    ---------
    durations : Sequence[float]
        Of each utterance; shares are alike in them, and sorted by them.
    target : int
        Utterances of a step, over all ranks.
    seed : int
        Of the order.
    num_ranks : int
        Processes that share a step.

    Raises
    ------
    InputError
        If there are fewer utterances than a step takes, or ranks cannot share evenly.

    Example
    -------
    >>> sampler = EffectiveBatchSampler([3.0, 1.0, 2.0, 4.0, 5.0], target=2)
    >>> [len(batch) for [batch] in sampler.rounds(np.arange(5), epoch=1)]
    [2, 2, 1]
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
        """Share out rows, each once, in the order of an epoch.

        Arguments
        ---------
        rows : Batch
            Of the utterances.
        epoch : int
            Number of the epoch.

        Returns
        -------
        list[Round]
            Of each step every rank's share.
        """
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

    Arguments
    ---------
    durations : Sequence[float]
        Seconds of each utterance.
    max_batch_length : float
        Seconds of audio in a batch, padding included.
    max_batch_size : int | None
        Utterances in a batch.
    num_buckets : int | None
        Classes of duration; None: one for each number of utterances that a batch
        holds, so that batches of long ones are as full as others.
    seed : int
        Of the order.
    num_ranks : int
        Processes that share the batches.

    Raises
    ------
    InputError
        If there are fewer utterances than ranks.

    Example
    -------
    >>> sampler = BucketBatchSampler([1.0] * 5, max_batch_length=9, max_batch_size=2)
    >>> sorted(len(batch) for [batch] in sampler.rounds(np.arange(5), epoch=1))
    [1, 2, 2]
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
    """Batches of another sampler from an epoch on.

    Arguments
    ---------
    samplers : Mapping[int, RoundSampler]
        By the first epoch of each, 1 among them.

    Example
    -------
    >>> samplers = {e: EffectiveBatchSampler([1.0] * 4, e) for e in (1, 2)}
    >>> sampler = StagedSampler(samplers)
    >>> [len(sampler.rounds(np.arange(4), epoch)) for epoch in (1, 2, 3)]
    [4, 2, 2]
    """

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
