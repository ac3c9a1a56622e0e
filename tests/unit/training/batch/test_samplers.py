import itertools

import numpy as np
import pytest

from lact_modules.errors import InputError
from lact_modules.training.batch.samplers import (
    BucketBatchSampler,
    EffectiveBatchSampler,
)

DURATIONS = np.random.default_rng(0).uniform(1, 20, size=50)
ALL = np.arange(50)


def steps(num_ranks, epoch=1, seed=0, rows=ALL):
    """Utterances of each step, over all ranks."""
    sampler = EffectiveBatchSampler(DURATIONS, 12, seed, num_ranks)
    rounds = sampler.rounds(rows, epoch)
    assert {len(shares) for shares in rounds} == {num_ranks}
    sizes = [{len(share) for share in shares} for shares in rounds]
    assert all(size == {12 // num_ranks} for size in sizes[:-1])
    assert max(sizes[-1]) - min(sizes[-1]) <= 1
    return [sorted(itertools.chain(*shares)) for shares in rounds]


def test_steps_do_not_depend_on_the_number_of_ranks():
    assert steps(1) == steps(2)


def test_an_epoch_has_each_utterance_once():
    assert sorted(itertools.chain(*steps(2))) == ALL.tolist()
    assert [len(step) for step in steps(1)] == [12, 12, 12, 12, 2]


def test_what_is_too_little_for_all_ranks_comes_with_the_step_before():
    assert [len(step) for step in steps(4)] == [12, 12, 12, 14]


def test_order_is_that_of_seed_and_epoch():
    assert steps(1) == steps(1)
    assert steps(1, epoch=2) != steps(1)
    assert steps(1, seed=1) != steps(1)


def test_ranks_get_like_durations():
    sampler = EffectiveBatchSampler(DURATIONS, 48, num_ranks=2)
    shares = sampler.rounds(ALL, epoch=1)[0]
    totals = [DURATIONS[share].sum() for share in shares]
    assert totals[1] == pytest.approx(totals[0], rel=0.1)


@pytest.mark.parametrize(
    ("target", "num_ranks", "message"),
    [(51, 1, "only 50 utterances"), (9, 2, "shared evenly among 2 processes")],
)
def test_impossible_target_is_refused(target, num_ranks, message):
    with pytest.raises(InputError, match=message):
        EffectiveBatchSampler(DURATIONS, target, num_ranks=num_ranks)


def bucketed(epoch=1, rows=ALL, **options):
    sampler = BucketBatchSampler(DURATIONS, **{"max_batch_length": 60, **options})
    return [
        [batch.tolist() for batch in batches] for batches in sampler.rounds(rows, epoch)
    ]


def test_batches_hold_every_utterance_once_within_the_bounds():
    batches = [batch for [batch] in bucketed(max_batch_size=8)]
    assert sorted(itertools.chain(*batches)) == ALL.tolist()
    for batch in batches:
        assert len(batch) <= 8
        assert DURATIONS[batch].max() * len(batch) <= 60


def test_epochs_differ_and_seeds_repeat():
    assert bucketed() == bucketed()
    assert bucketed() != bucketed(epoch=2)
    assert bucketed() != bucketed(seed=2)
    # the learning-rate schedule counts on it
    assert len(bucketed()) == len(bucketed(epoch=2))


def test_processes_have_what_one_would_accumulate():
    one, two = bucketed(num_buckets=1), bucketed(num_buckets=1, num_ranks=2)
    assert len(one) % 2 == 0
    assert [batch for batches in two for batch in batches] == [b for [b] in one]


def test_a_part_of_the_data_is_batched_alone():
    part = ALL[5:20]
    assert sorted(itertools.chain(*itertools.chain(*bucketed(rows=part)))) == [*part]


def test_too_few_utterances_for_the_processes():
    with pytest.raises(InputError, match="50 utterances are too few for 51 processes"):
        bucketed(num_ranks=51)
