"""Training batches out of shards, read from front to end and shuffled in a buffer."""

import hashlib
import itertools
import logging
import math
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from speechbrain.dataio.iterators import dynamic_bucketed_batch
from speechbrain.utils.distributed import get_rank
from torch.utils.data import IterableDataset, get_worker_info

from lact_modules.data.audio import load_audio
from lact_modules.data.shard.index import Shard
from lact_modules.data.shard.reader import Sample, import_webdataset, read_shard
from lact_modules.data.text.subwords import AnyVocabulary
from lact_modules.errors import InputError
from lact_modules.training.batch.batching import BatchLimits
from lact_modules.training.batch.resuming import NOTHING, hash_id
from lact_modules.training.batch.speech_batch import SpeechBatch
from lact_modules.training.dataset.dataset import check_durations, check_spelling
from lact_modules.training.parallel.main_process import num_processes

logger = logging.getLogger(__name__)


class ShardBatches(IterableDataset):
    """Batches of utterances of like duration, without end.

    A pass reads the shards from front to end, in an order drawn for the epoch and the
    pass, and chooses batches at random out of a buffer of utterances. Each process
    and each of its workers reads shards of its own.
    """

    def __init__(
        self,
        shards: Sequence[Shard],
        vocabulary: AnyVocabulary,
        max_batch_length: float,
        max_batch_size: int | None = None,
        max_duration: float | None = None,
        buffer_size: int = 1024,
        seed: int = 0,
        rank: int = 0,
        num_ranks: int = 1,
    ):
        import_webdataset()
        if len(shards) < num_ranks:
            raise InputError(
                f"train_shards: {len(shards)} are too few for {num_ranks} processes; "
                "write smaller ones or start fewer processes"
            )
        self.shards = list(shards)
        self.vocabulary = vocabulary
        self.max_duration = max_duration
        self.buffer_size = buffer_size
        self.bounds = {
            "target_batch_numel": _microseconds(max_batch_length),
            "max_batch_numel": _microseconds(max_batch_length),
            "max_batch_size": max_batch_size,
        }
        self.seed, self.rank, self.num_ranks = seed, rank, num_ranks
        self.start(epoch=1, num_done=0)

    @property
    def num_utterances(self) -> int:
        """Of all shards."""
        return sum(len(shard.texts) for shard in self.shards)

    def listed(self) -> Iterator[tuple[float, str]]:
        """Yield seconds and transcript of each utterance that is not skipped."""
        longest = math.inf if self.max_duration is None else self.max_duration
        for shard in self.shards:
            for listed in zip(shard.durations, shard.texts, strict=True):
                if listed[0] <= longest:
                    yield listed

    def start(
        self, epoch: int, num_done: int, seen: NDArray[np.uint64] = NOTHING
    ) -> None:
        """Begin the next iteration within an epoch, after ``num_done`` batches.

        These are read and skipped; the first pass skips the utterances in ``seen``,
        too, which holds their `hash_ids`.
        """
        self.epoch, self.num_done, self.seen = epoch, num_done, seen

    def count_batches(self, but: Iterable[float] = ()) -> int:
        """Count the batches of a pass for each process, by durations in the index.

        ``but`` are durations of utterances that it skips.
        """
        missing = Counter(but)
        missing.subtract(d for shard in self.shards for d in shard.durations)
        samples = ({"duration": d} for d in (-missing).elements())
        batches = self._choose(samples, random.Random(self.seed))
        return sum(1 for _ in batches) // self.num_ranks

    def __iter__(self) -> Iterator[SpeechBatch]:
        worker = get_worker_info()
        num_workers = worker.num_workers if worker else 1
        # a loader takes a batch from each worker in turn, and begins with the first
        number = ((worker.id if worker else 0) + self.num_done) % num_workers
        num_to_skip = (self.num_done - number + num_workers - 1) // num_workers
        passes = (
            self._read_pass(number, num_workers, pass_) for pass_ in itertools.count()
        )
        batches = itertools.chain.from_iterable(passes)
        for samples in itertools.islice(batches, num_to_skip, None):
            yield SpeechBatch([self._decode(sample) for sample in samples])

    def _read_pass(
        self, number: int, num_workers: int, pass_: int
    ) -> Iterator[list[Sample]]:
        """Read a worker's shards, in an order that all workers know."""
        key = f"{self.seed}-{self.epoch}-{pass_}"
        order = random.Random(key).sample(self.shards, len(self.shards))
        mine = order[self.rank :: self.num_ranks][number::num_workers]
        samples: Iterator[Sample] = itertools.chain.from_iterable(
            read_shard(shard.path) for shard in mine
        )
        if pass_ == 0 and len(self.seen):
            seen = set(self.seen.tolist())
            samples = (s for s in samples if hash_id(s["id"]) not in seen)
        return self._choose(samples, random.Random(f"{key}-{self.rank}-{number}"))

    def describe_order(self) -> str:
        """Return what the order of an epoch depends on, beside its number."""
        shards = ((s.path.parent.name, s.path.name, s.size) for s in self.shards)
        return repr(
            (
                *(hashlib.sha256(repr([*shards]).encode()).hexdigest(), self.bounds),
                *(self.max_duration, self.buffer_size, self.seed, self.num_ranks),
            )
        )

    def _choose(
        self, samples: Iterable[Sample], generator: random.Random
    ) -> Iterator[list[Sample]]:
        return dynamic_bucketed_batch(
            samples,
            len_key="duration",
            len_fn=_microseconds,
            max_sample_len=_microseconds(self.max_duration or math.inf),
            buffersize=self.buffer_size,
            collate_fn=list,
            sampler_kwargs={**self.bounds, "randint_generator": generator.randint},
        )

    def _decode(self, sample: Sample) -> Sample:
        tokens = self.vocabulary.encode(sample["text"])
        signal, faults = torch.empty(0), {}
        try:
            signal = load_audio(sample["audio"])
        except InputError as error:
            faults[sample["id"]] = str(error)
        return {
            "id": sample["id"],
            "duration": sample["duration"],
            "signal": signal,
            "faults": faults,
            "tokens": torch.tensor(tokens, dtype=torch.int64),
            "text": sample["text"],
        }


def _microseconds(seconds: float) -> float:
    """Return a whole number: how floats are summed depends on the version of Python."""
    return round(seconds * 1e6) if math.isfinite(seconds) else seconds


def make_shard_batches(
    shards: Sequence[Shard],
    vocabulary: AnyVocabulary,
    limits: BatchLimits,
    max_train_duration: float | None = None,
    shard_buffer: int = 1024,
) -> ShardBatches:
    """Make the batches of a recipe that trains from shards."""
    texts = {
        f"utterance {number} of {shard.path.name}": text
        for shard in shards
        for number, text in enumerate(shard.texts)
    }
    check_spelling(texts, vocabulary)
    durations = [duration for shard in shards for duration in shard.durations]
    check_durations(durations, max_train_duration)
    return ShardBatches(
        shards,
        vocabulary,
        max_batch_length=limits.max_batch_length,
        max_batch_size=limits.max_batch_size,
        max_duration=max_train_duration,
        buffer_size=shard_buffer,
        seed=limits.seed,
        rank=get_rank() or 0,
        num_ranks=num_processes(),
    )
