import itertools
import logging
import sys

import numpy as np
import pytest
import soundfile
import torch

from lact_modules.data.manifest.manifest import Utterance
from lact_modules.data.shard.writer import write_shards
from lact_modules.data.text.vocabulary import Vocabulary
from lact_modules.errors import InputError
from lact_modules.training.batch.speech_batch import count_valid
from lact_modules.training.dataset.dataset import make_dataset
from lact_modules.training.shard.batches import ShardBatches
from lact_modules.training.shard.loader import ShardLoader

pytest.importorskip("webdataset")

VOCABULARY = Vocabulary.from_texts(["ENOTW"])
NUM_UTTERANCES = 12


@pytest.fixture(scope="module")
def utterances(tmp_path_factory):
    """Noises of 0.1 to 1.2 s."""
    folder = tmp_path_factory.mktemp("audio")
    generator = np.random.default_rng(0)
    utterances = []
    for number in range(NUM_UTTERANCES):
        duration = (number + 1) / 10
        path = folder / f"u{number}.flac"
        samples = generator.normal(scale=0.1, size=round(16000 * duration))
        soundfile.write(path, samples, 16000)
        utterances.append(Utterance(f"u{number}", str(path), "ONE TWO", duration))
    return utterances


@pytest.fixture(scope="module")
def write(utterances, tmp_path_factory):
    def write(num_shards):
        folder = tmp_path_factory.mktemp("shards")
        shards = []
        for number in range(num_shards):
            part = utterances[number::num_shards]
            shards += write_shards(folder / str(number), part, max_bytes=10**9)
        return shards

    return write


@pytest.fixture(scope="module")
def four(write):
    return write(4)


def batches_of(shards, **options):
    options = {"max_batch_length": 100, "max_batch_size": 1, **options}
    return ShardBatches(shards, VOCABULARY, **options)


def ids(batches, number=NUM_UTTERANCES, epoch=1):
    batches.start(epoch, num_done=0)
    return [name for batch in itertools.islice(batches, number) for name in batch.id]


def everything(utterances):
    return sorted(utterance.id for utterance in utterances)


def test_items_are_those_of_the_files(write, utterances):
    batches = batches_of(write(1), max_batch_size=5)
    files = {item["id"]: item for item in make_dataset(utterances, VOCABULARY)}
    for batch in itertools.islice(batches, batches.count_batches()):
        lengths = count_valid(batch.signal)
        for row, name in enumerate(batch.id):
            item = files.pop(name)
            assert batch.text[row] == item["text"]
            assert torch.equal(batch.tokens.data[row], item["tokens"])
            signal = batch.signal.data[row, : lengths[row]]
            assert torch.equal(signal, item["signal"])
    assert not files


def test_a_pass_has_every_utterance_once(four, utterances):
    batches = batches_of(four)
    assert batches.count_batches() == NUM_UTTERANCES
    assert sorted(ids(batches)) == everything(utterances)
    # and another one follows
    assert sorted(ids(batches, 24)) == sorted(2 * everything(utterances))


def test_order_is_drawn_for_each_epoch_and_pass(four):
    batches = batches_of(four)
    two_passes = ids(batches, 24)
    assert two_passes[:NUM_UTTERANCES] != two_passes[NUM_UTTERANCES:]
    assert ids(batches, epoch=2) != ids(batches, epoch=1)
    assert ids(batches_of(four)) == ids(batches)
    assert ids(batches_of(four, seed=1)) != ids(batches)


def test_batches_keep_to_the_bounds(four, utterances):
    batches = batches_of(four, max_batch_length=2.0, max_batch_size=3)
    sizes = []
    for batch in itertools.islice(batches, batches.count_batches()):
        sizes.append(len(batch.id))
        assert batch.signal.data.numel() <= 2.0 * 16000
    assert max(sizes) == 3
    short = batches_of(four, max_duration=0.65)
    assert short.count_batches() == 6
    assert sorted(ids(short, 6)) == everything(utterances[:6])


def test_a_small_buffer_mixes_less(write, utterances):
    in_order = batches_of(write(1), buffer_size=1)
    assert ids(in_order) == [utterance.id for utterance in utterances]


def test_processes_read_shards_of_their_own(four, utterances):
    first, second = (batches_of(four, rank=rank, num_ranks=2) for rank in (0, 1))
    assert first.count_batches() == second.count_batches() == 6
    assert sorted(ids(first, 6) + ids(second, 6)) == everything(utterances)


def read(loader, epochs=(1, 2), stop=None):
    """Ids of each batch, as a training would have them."""
    seen = []
    for epoch in epochs:
        loader.set_epoch(epoch)
        for batch in loader:
            loader.advance(batch)
            seen.append(batch.id)
            if len(seen) == stop:
                return seen
    return seen


@pytest.mark.parametrize("num_workers", [0, 2])
def test_epochs_have_as_many_batches_as_counted(four, utterances, num_workers):
    loader = ShardLoader(batches_of(four), num_workers)
    epochs = [[name for [name] in read(loader, [epoch])] for epoch in (1, 2)]
    assert [len(epoch) for epoch in epochs] == [len(loader)] * 2 == [12, 12]
    assert sorted(epochs[0]) == sorted(epochs[1]) == everything(utterances)
    assert epochs[0] != epochs[1]


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize("num_done", [5, 12, 19])
def test_goes_on_where_a_checkpoint_was_made(four, tmp_path, num_workers, num_done):
    expected = read(ShardLoader(batches_of(four), num_workers))
    stopped = ShardLoader(batches_of(four), num_workers)
    assert read(stopped, stop=num_done) == expected[:num_done]
    stopped.save(tmp_path / "loader")
    resumed = ShardLoader(batches_of(four), num_workers)
    resumed.load(tmp_path / "loader", end_of_epoch=num_done == 12)
    rest = read(resumed, epochs=[1, 2] if num_done < 12 else [2])
    assert rest == expected[num_done:]


@pytest.mark.parametrize(
    ("options", "num_workers"),
    [
        ({"max_batch_size": 2, "max_batch_length": 3.0}, 0),
        ({"seed": 5}, 0),
        ({"buffer_size": 4}, 0),
        ({}, 2),
    ],
)
def test_other_batches_hold_what_the_epoch_has_not_had(
    write, utterances, tmp_path, options, num_workers
):
    stopped = ShardLoader(batches_of(write(2)))
    first = read(stopped, stop=4)
    stopped.save(tmp_path / "a")
    # and other shards of the same utterances
    resumed = ShardLoader(batches_of(write(4), **options), num_workers)
    resumed.load(tmp_path / "a")
    second = read(resumed, [1], stop=1)
    resumed.save(tmp_path / "b")
    again = ShardLoader(batches_of(write(2)))
    again.load(tmp_path / "b")
    rest = read(again, [1])
    seen = [name for batch in first + second + rest for name in batch]
    assert sorted(seen) == everything(utterances)
    # and the next epoch has them all
    assert len({name for batch in read(again, [2]) for name in batch}) == 12


def test_one_process_continues_after_two(four, utterances, tmp_path, monkeypatch):
    seen = []
    for rank in (0, 1):
        monkeypatch.setenv("RANK", str(rank))
        loader = ShardLoader(batches_of(four, rank=rank, num_ranks=2))
        seen += read(loader, stop=2)
        loader.save(tmp_path / "a")
    monkeypatch.delenv("RANK")
    resumed = ShardLoader(batches_of(four))
    resumed.load(tmp_path / "a")
    seen += read(resumed, [1])
    assert sorted(name for [name] in seen) == everything(utterances)


def test_no_more_workers_read_than_there_are_shards(write, caplog):
    caplog.set_level(logging.WARNING)
    loader = ShardLoader(batches_of(write(1)), num_workers=2)
    assert "1 workers read, not 2: a process has 1 shards" in caplog.text
    assert len([*loader]) == NUM_UTTERANCES


def test_too_few_shards_or_utterances_for_the_processes(write):
    with pytest.raises(InputError, match="1 are too few for 2 processes"):
        batches_of(write(1), num_ranks=2)
    with pytest.raises(InputError, match="too few utterances for 2 processes"):
        ShardLoader(batches_of(write(2), num_ranks=2, max_duration=0.15))


def test_a_damaged_shard_is_named(write):
    shards = write(1)
    content = bytearray(shards[0].path.read_bytes())
    content[:512] = bytes(range(256)) * 2
    shards[0].path.write_bytes(content)
    with pytest.raises(InputError, match=r"shard-000000\.tar: damaged \("):
        ids(batches_of(shards))


def test_says_to_install_webdataset(four, monkeypatch):
    monkeypatch.setitem(sys.modules, "webdataset.tariterators", None)
    with pytest.raises(InputError, match=r"pip install 'lact-asr\[shards\]'"):
        batches_of(four)
