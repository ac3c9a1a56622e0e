import itertools

import numpy as np
import pytest
from speechbrain.dataio.dataset import DynamicItemDataset

from lact_modules.data.manifest.manifest import Utterance
from lact_modules.data.token_batches import TokenBatchSampler
from lact_modules.errors import InputError
from lact_modules.training.batch.resuming import ResumableSampler
from lact_modules.training.batch.samplers import (
    BucketBatchSampler,
    EffectiveBatchSampler,
    StagedSampler,
)
from lact_modules.training.dataset.stream_dataset import StreamDataset
from lact_modules.training.dataset.streams import StreamPlan, join_speakers

# by id, of 1 to 10 s
SECONDS = {f"u{i}": 1 + 9 * i / 39 for i in range(40)}
EPOCH = 3


def bucketed(seconds, num_ranks=1, **options):
    options = {"max_batch_length": 30, "max_batch_size": 2, **options}
    return BucketBatchSampler([*seconds.values()], **options, num_ranks=num_ranks)


def effective(seconds, num_ranks=1, target=8):
    return EffectiveBatchSampler([*seconds.values()], target, num_ranks=num_ranks)


def tokens(seconds, num_ranks=1):
    lengths = np.array([round(10 * each) for each in seconds.values()])
    return TokenBatchSampler(lengths, max_tokens=200, num_ranks=num_ranks)


def utterances_of(seconds, speakers=4):
    return [
        Utterance(name, "a.wav", name, length, speaker=str(hash(length) % speakers))
        for name, length in seconds.items()
    ]


def streams(seconds, count=3):
    joined = join_speakers(utterances_of(seconds), count, max_duration=30)
    return StreamDataset([StreamPlan(joined, is_random=True)], seed=1)


def stages(seconds):
    """Utterances, and in the epoch that is looked at streams of them."""
    utterances = utterances_of(seconds)
    joined = join_speakers(utterances, None, max_duration=20)
    return StreamDataset(
        [StreamPlan([(u,) for u in utterances]), StreamPlan(joined, first_epoch=EPOCH)]
    )


def staged(make):
    """Make a sampler for `stages`, of which the first is that of the dataset given."""

    def make_staged(seconds, num_ranks=1):
        dataset = stages(SECONDS if len(seconds) == len(SECONDS) else seconds)
        dataset.set_epoch(EPOCH)
        lengths = {name: entry["duration"] for name, entry in dataset.data.items()}
        samplers = {1: make(seconds, num_ranks), EPOCH: make(lengths, num_ranks)}
        return StagedSampler(samplers)

    return make_staged


def items(seconds):
    return DynamicItemDataset({name: {"duration": seconds[name]} for name in seconds})


class Epoch:
    """An epoch as all its processes see it."""

    def __init__(self, make_sampler=bucketed, seconds=SECONDS, num_ranks=1, data=None):
        data = data or items
        self.datasets = [data(seconds) for _ in range(num_ranks)]
        self.ranks = []
        for rank, dataset in enumerate(self.datasets):
            lengths = {k: v["duration"] for k, v in dataset.data.items()}
            sampler = make_sampler(lengths, num_ranks)
            self.ranks.append(ResumableSampler(sampler, dataset, rank))

    def resume(self, path):
        for rank in self.ranks:
            rank.load(path, end_of_epoch=False)
        return self

    def train(self, num_batches=None):
        """Train on so many batches of each process; return what they held, in order."""
        for rank in self.ranks:
            rank.set_epoch(EPOCH)
        numbers = {rank.num_left for rank in self.ranks}
        assert len(numbers) == 1
        seen = []
        for batches in itertools.islice(zip(*self.ranks, strict=True), num_batches):
            for rank, dataset, rows in zip(
                self.ranks, self.datasets, batches, strict=True
            ):
                rank.advance(None)
                for row in rows:
                    name = dataset.data_ids[row]
                    stream = dataset.data[name].get("stream")
                    seen += [u.id for u in stream] if stream else [name]
        return seen

    def stop(self, path):
        self.ranks[0].save(path)
        return path


def once(seen, seconds=SECONDS):
    return sorted(seen) == sorted(seconds)


KINDS = {
    "buckets": {"make_sampler": bucketed},
    "effective": {"make_sampler": effective},
    "tokens": {"make_sampler": tokens},
    "streams": {"data": streams},
    "fine-tuning": {
        "data": stages,
        "make_sampler": staged(lambda *a: bucketed(*a, num_buckets=None)),
    },
    "fine-tuning, two processes, effective": {
        "data": stages,
        "make_sampler": staged(lambda *a: effective(*a, target=2)),
        "num_ranks": 2,
    },
    "two processes": {"num_ranks": 2},
    "two processes, effective": {"make_sampler": effective, "num_ranks": 2},
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_an_epoch_has_each_utterance_once(kind):
    assert once(Epoch(**kind).train())
    assert Epoch(**kind).train() == Epoch(**kind).train()


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("num_done", [0, 1, 3])
def test_the_same_batches_continue_with_the_next(kind, num_done, tmp_path):
    stopped = Epoch(**kind)
    seen = stopped.train(num_done)
    resumed = Epoch(**kind).resume(stopped.stop(tmp_path / "a"))
    again = resumed.train(1)
    rest = Epoch(**kind).resume(resumed.stop(tmp_path / "b")).train()
    assert seen + again + rest == Epoch(**kind).train()


CHANGES = {
    "batch size": {"make_sampler": lambda *a: bucketed(*a, max_batch_size=5)},
    "batch length": {"make_sampler": lambda *a: bucketed(*a, max_batch_length=12)},
    "buckets": {"make_sampler": lambda *a: bucketed(*a, num_buckets=2)},
    "seed": {"make_sampler": lambda *a: bucketed(*a, seed=7)},
    "larger target": {"make_sampler": lambda *a: effective(*a, target=12)},
    "streams of two": {"data": lambda seconds: streams(seconds, count=2)},
    "three processes": {"num_ranks": 3},
    "one process, one utterance": {
        "make_sampler": lambda *a: bucketed(*a, max_batch_size=1)
    },
    "three processes, one utterance": {
        "make_sampler": lambda *a: bucketed(*a, max_batch_size=1),
        "num_ranks": 3,
    },
    **KINDS,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_other_batches_hold_what_is_left(kind, change, tmp_path):
    stopped = Epoch(**kind)
    first = stopped.train(3)
    resumed = Epoch(**change).resume(stopped.stop(tmp_path / "a"))
    second = resumed.train(1)
    # and back to what it was
    rest = Epoch(**kind).resume(resumed.stop(tmp_path / "b")).train()
    assert once(first + second + rest)


def test_data_that_come_and_go(tmp_path):
    stopped = Epoch()
    first = stopped.train(5)
    gone = next(name for name in SECONDS if name not in first)
    changed = {k: v for k, v in SECONDS.items() if k not in {gone, first[0]}}
    changed["new"] = 4.5
    path = stopped.stop(tmp_path / "a")
    rest = Epoch(seconds=changed).resume(path).train()
    assert sorted(first + rest) == sorted({*SECONDS, "new"} - {gone})


def test_a_new_epoch_has_all_again(tmp_path):
    stopped = Epoch(data=streams)
    stopped.train(3)
    resumed = Epoch(data=streams, num_ranks=2).resume(stopped.stop(tmp_path / "a"))
    assert len(resumed.train()) < len(SECONDS)
    assert once(resumed.train())


def test_a_checkpoint_of_the_end_of_an_epoch_skips_nothing(tmp_path):
    stopped = Epoch()
    stopped.train()
    path = stopped.stop(tmp_path / "a")
    for rank in (resumed := Epoch()).ranks:
        rank.load(path, end_of_epoch=True)
    assert once(resumed.train())


def test_an_epoch_that_is_done_has_no_batch_left(tmp_path):
    stopped = Epoch()
    stopped.train()
    resumed = Epoch(effective).resume(stopped.stop(tmp_path / "a"))
    assert resumed.train() == []


def test_too_few_that_are_left_are_counted(tmp_path, caplog):
    stopped = Epoch(lambda *a: bucketed(*a, max_batch_size=1))
    seen = stopped.train(39)
    assert len(seen) == 39
    resumed = Epoch(num_ranks=2).resume(stopped.stop(tmp_path / "a"))
    assert resumed.train() == []
    assert "1 utterances are too few for as many processes" in caplog.text


class Texts(list):
    key = "40 texts"


def test_texts_without_ids_may_not_change(tmp_path):
    stopped = ResumableSampler(bucketed(SECONDS), Texts(SECONDS))
    stopped.set_epoch(EPOCH)
    stopped.advance(None)
    stopped.save(tmp_path / "a")
    texts = Texts(SECONDS)
    texts.key = "41 texts"
    resumed = ResumableSampler(bucketed(SECONDS), texts)
    resumed.load(tmp_path / "a", end_of_epoch=False)
    with pytest.raises(InputError, match="were 40 texts and are 41 texts"):
        resumed.set_epoch(EPOCH)
