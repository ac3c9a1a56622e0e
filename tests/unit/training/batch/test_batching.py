import pytest
import torch
from speechbrain.dataio.batch import PaddedBatch

from lact_modules.errors import InputError
from lact_modules.training.batch.batching import MicroBatches, is_out_of_memory, take


def make_batch(seconds):
    return PaddedBatch(
        [
            {"id": f"u{i}", "signal": torch.full((16_000 * n,), float(i)), "text": "A"}
            for i, n in enumerate(seconds)
        ]
    )


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


def test_lack_of_memory_is_distinguished_from_other_errors():
    assert is_out_of_memory(torch.OutOfMemoryError())
    assert is_out_of_memory(RuntimeError("HIP out of memory. Tried to allocate"))
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes"))
