import itertools

import numpy as np
import pytest
import torch
from speechbrain.dataio.batch import PaddedBatch

from lact_modules.errors import InputError
from lact_modules.training.batching import (
    EffectiveBatchSampler,
    MicroBatches,
    is_out_of_memory,
    take,
)

DURATIONS = np.random.default_rng(0).uniform(1, 20, size=50)


def make_batch(seconds):
    return PaddedBatch(
        [
            {"id": f"u{i}", "signal": torch.full((16_000 * n,), float(i)), "text": "A"}
            for i, n in enumerate(seconds)
        ]
    )


def steps(num_ranks, epoch=1, seed=0):
    """Utterances of each step, over all ranks."""
    shares = []
    for rank in range(num_ranks):
        sampler = EffectiveBatchSampler(DURATIONS, 12, seed, rank, num_ranks)
        sampler.set_epoch(epoch)
        shares.append([*sampler])
        assert len(sampler) == len(shares[-1]) == 4
        assert {len(share) for share in shares[-1]} == {12 // num_ranks}
    return [sorted(itertools.chain(*step)) for step in zip(*shares, strict=True)]


def test_steps_do_not_depend_on_the_number_of_ranks():
    assert steps(1) == steps(2) == steps(4)


def test_no_utterance_comes_twice_in_an_epoch():
    seen = [*itertools.chain(*steps(2))]
    assert len(seen) == len({*seen}) == 48


def test_order_is_that_of_seed_and_epoch():
    assert steps(1) == steps(1)
    assert steps(1, epoch=2) != steps(1)
    assert steps(1, seed=1) != steps(1)


def test_ranks_get_like_durations():
    totals = [
        sum(DURATIONS[next(iter(EffectiveBatchSampler(DURATIONS, 48, 0, rank, 2)))])
        for rank in (0, 1)
    ]
    assert totals[1] == pytest.approx(totals[0], rel=0.1)


@pytest.mark.parametrize(
    ("target", "num_ranks", "message"),
    [(51, 1, "only 50 utterances"), (9, 2, "shared evenly among 2 processes")],
)
def test_impossible_target_is_refused(target, num_ranks, message):
    with pytest.raises(InputError, match=message):
        EffectiveBatchSampler(DURATIONS, target, num_ranks=num_ranks)


def test_cut_within_both_limits_longest_first():
    micro_batches = MicroBatches(share=6, max_size=3, max_seconds=10)
    parts = micro_batches.cut(make_batch([5, 1, 30, 1, 1, 1]))
    assert [part.id for part in parts] == [["u2"], ["u0"], ["u5"], ["u1", "u3", "u4"]]
    assert [part.signal.data.shape[1] // 16_000 for part in parts] == [30, 5, 1, 1]


def test_without_a_limit_of_size_seconds_bound_a_batch():
    parts = MicroBatches(share=4, max_size=None, max_seconds=4).cut(make_batch([2] * 4))
    assert [len(part) for part in parts] == [2, 2]


def test_halving_bounds_size_and_seconds():
    micro_batches = MicroBatches(share=8, max_size=32, max_seconds=16)
    sizes = []
    for _ in range(4):
        sizes.append([len(part) for part in micro_batches.cut(make_batch([2] * 8))])
        if len(sizes) < 4:
            micro_batches.halve()
    assert sizes == [[8], [4, 4], [2] * 4, [1] * 8]
    with pytest.raises(InputError, match="out of memory with one utterance"):
        micro_batches.halve()


def test_what_is_taken_is_as_it_was_and_padded_anew():
    taken = take(make_batch([3, 1, 2]), [1, 2])
    assert taken.id == ["u1", "u2"]
    assert taken.text == ["A", "A"]
    assert taken.signal.lengths.tolist() == [0.5, 1.0]
    assert taken.signal.data[1].unique().tolist() == [2.0]
    assert taken.signal.data[0].tolist() == [1.0] * 16_000 + [0.0] * 16_000


def test_lack_of_memory_is_told_from_other_errors():
    assert is_out_of_memory(torch.OutOfMemoryError())
    assert is_out_of_memory(RuntimeError("HIP out of memory. Tried to allocate"))
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes"))
