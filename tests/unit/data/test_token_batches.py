from itertools import chain, pairwise

import numpy as np
import pytest

from lact_modules.data.token_batches import TokenBatchSampler, cut_batches
from lact_modules.errors import InputError

LENGTHS = np.random.default_rng(0).integers(1, 40, size=500).astype(np.uint16)


def tokens_of(batch):
    return len(batch) * LENGTHS[batch].max().item()


def test_each_sequence_is_in_one_batch():
    batches = cut_batches(LENGTHS, max_tokens=100)
    assert sorted(np.concatenate(batches)) == list(range(len(LENGTHS)))


def test_batches_are_full_and_not_too_full():
    batches = cut_batches(LENGTHS, max_tokens=100)
    assert all(tokens_of(batch) <= 100 for batch in batches)
    for batch, following in pairwise(batches):
        assert (len(batch) + 1) * LENGTHS[following].min() > 100


def test_little_is_padding():
    batches = cut_batches(LENGTHS, max_tokens=100)
    assert sum(map(tokens_of, batches)) < 1.05 * LENGTHS.sum()


def test_a_sequence_longer_than_a_batch_comes_alone():
    batches = cut_batches(np.array([9, 3, 3, 8]), max_tokens=6)
    assert [batch.tolist() for batch in batches] == [[1, 2], [3], [0]]


def batches_of(epoch, seed=1):
    sampler = TokenBatchSampler(LENGTHS, 100, seed)
    rounds = sampler.rounds(np.arange(len(LENGTHS)), epoch)
    return [batch.tolist() for [batch] in rounds]


def test_an_epoch_has_an_order_of_its_own_that_comes_back():
    first, second = batches_of(epoch=0), batches_of(epoch=1)
    assert first == batches_of(epoch=0)
    assert second != first
    assert {frozenset(batch) for batch in second} != {frozenset(b) for b in first}
    assert batches_of(epoch=0, seed=2) != first
    assert len(first) == len(second)
    for batches in (first, second):
        assert sorted(chain(*batches)) == list(range(len(LENGTHS)))


def test_fewer_texts_than_processes_are_refused():
    with pytest.raises(InputError, match="1 texts are too few for 2 processes"):
        TokenBatchSampler(np.array([3]), 100, num_ranks=2)
