"""Streams of utterances to train on."""

from collections import Counter

import numpy as np
import pytest
import soundfile
import torch

from lact_modules.data.manifest import Utterance
from lact_modules.data.vocabulary import Vocabulary
from lact_modules.errors import InputError
from lact_modules.training.dataset import make_dataset
from lact_modules.training.streams import duration, exchange, join_speakers

UTTERANCES = [
    Utterance(f"{speaker}-{i}", "x.wav", "ONE", 1.0 + i % 3, speaker=speaker)
    for speaker in "ab"
    for i in range(50)
]


def test_every_utterance_is_in_one_stream_of_its_speaker():
    streams = join_speakers(UTTERANCES, 4, max_duration=20.0)
    assert sorted(u.id for s in streams for u in s) == sorted(u.id for u in UTTERANCES)
    assert all(len({u.speaker for u in stream}) == 1 for stream in streams)
    assert set(Counter(map(len, streams))) == {1, 2, 3, 4}
    assert list(map(duration, streams)) == sorted(map(duration, streams))


def test_a_stream_lasts_no_longer_than_it_may():
    streams = join_speakers(UTTERANCES, 10, max_duration=5.0)
    assert max(map(duration, streams)) == 5.0
    # an utterance that lasts longer stays alone
    streams = join_speakers(UTTERANCES, 10, max_duration=2.0)
    assert {len(s) for s in streams if duration(s) > 2.0} == {1}


def test_the_seed_chooses_the_order():
    def draw(seed):
        return join_speakers(UTTERANCES, 4, 20.0, seed)

    assert draw(1) == draw(1) != draw(2)


def test_utterances_change_places_with_others_of_like_duration():
    streams = join_speakers(UTTERANCES, 4, 20.0)
    exchanged = exchange(streams, seed=1)
    assert exchanged == exchange(streams, seed=1) != exchange(streams, seed=2)
    assert list(map(len, exchanged)) == list(map(len, streams))
    assert sorted(u.id for s in exchanged for u in s) == sorted(
        u.id for u in UTTERANCES
    )
    assert all(len({u.speaker for u in stream}) == 1 for stream in exchanged)
    moved = [a != b for a, b in zip(streams, exchanged, strict=True)]
    assert sum(moved) > len(streams) / 2
    for before, after in zip(streams, exchanged, strict=True):
        assert abs(duration(before) - duration(after)) <= len(before)


def test_streams_are_others_in_each_epoch():
    streams = join_speakers(UTTERANCES, 4, 20.0)
    dataset = make_dataset(streams, Vocabulary.from_texts(["ONE"]), seed=1)

    def heard():
        for name in dataset.data_ids:
            entry = dataset.data[name]
            assert entry["text"].split() == [u.text for u in entry["stream"]]
        return [dataset.data[name]["stream"] for name in dataset.data_ids]

    epochs = []
    for epoch in (1, 2, 1):
        dataset.set_epoch(epoch)
        epochs.append(heard())
    assert epochs[0] == epochs[2] != epochs[1]


@pytest.mark.parametrize(
    ("utterances", "count", "message"),
    [
        ([Utterance("u", "x.wav", "ONE", 1.0)], 2, "u has no speaker"),
        (UTTERANCES, 0, "above 0"),
    ],
)
def test_what_makes_no_stream_is_refused(utterances, count, message):
    with pytest.raises(InputError, match=message):
        join_speakers(utterances, count, max_duration=20.0)


def test_a_dataset_reads_a_stream_as_one_utterance(tmp_path):
    path = tmp_path / "ramp.wav"
    samples = np.linspace(0, 1, 32000, endpoint=False, dtype=np.float32)
    soundfile.write(path, samples, 16000, subtype="FLOAT")
    late, early = (
        Utterance(name, str(path), text, 0.5, "a", offset)
        for name, text, offset in [("late", "TWO", 1.0), ("early", "ONE", 0.25)]
    )
    vocabulary = Vocabulary.from_texts(["ENOTW"])
    item = make_dataset([(late, early)], vocabulary)[0]
    expected = np.concatenate([samples[16000:24000], samples[4000:12000]])
    torch.testing.assert_close(item["signal"], torch.from_numpy(expected))
    assert (item["id"], item["text"]) == ("late", "TWO ONE")
    assert item["tokens"].tolist() == vocabulary.encode("TWO ONE")
