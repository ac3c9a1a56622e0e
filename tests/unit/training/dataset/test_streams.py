"""Streams of utterances to train on."""

from collections import Counter

import numpy as np
import pytest
import soundfile
import torch

from lact_modules.data.long_form.joining import duration
from lact_modules.data.manifest.manifest import Utterance
from lact_modules.data.text.vocabulary import Vocabulary
from lact_modules.errors import InputError
from lact_modules.training.dataset.dataset import make_dataset, make_stream_dataset
from lact_modules.training.dataset.streams import (
    StreamPlan,
    exchange,
    join_speakers,
    join_utterances,
)

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
    plans = [StreamPlan(streams, is_random=True)]
    dataset = make_stream_dataset(plans, Vocabulary.from_texts(["ONE"]), seed=1)

    def read_all():
        for name in dataset.data_ids:
            entry = dataset.data[name]
            assert entry["text"].split() == [u.text for u in entry["stream"]]
        return [dataset.data[name]["stream"] for name in dataset.data_ids]

    epochs = []
    for epoch in (1, 2, 1):
        dataset.set_epoch(epoch)
        epochs.append(read_all())
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


CHAPTERS = [
    Utterance(f"{speaker}-{chapter}-{i:04d}", "x.wav", "ONE", seconds, speaker)
    for speaker in "78"
    for chapter in (1, 2)
    for i, seconds in enumerate([4.0, 9.5, 30.0, 2.5, 6.0, 6.5, 11.0])
]


@pytest.mark.parametrize("gap", [0.0, 0.5])
@pytest.mark.parametrize("seconds", [8.0, 15.0, 60.0, 240.0, None])
def test_chapters_are_read_on_utterance_by_utterance(seconds, gap):
    shuffled = CHAPTERS[::2] + CHAPTERS[1::2]
    streams = join_utterances(shuffled, "reading", None, seconds, gap)
    assert sorted(u.id for s in streams for u in s) == [u.id for u in CHAPTERS]
    for stream in streams:
        first = CHAPTERS.index(stream[0])
        assert list(stream) == CHAPTERS[first : first + len(stream)]
        assert len({u.id.rpartition("-")[0] for u in stream}) == 1
        if seconds is not None and len(stream) > 1:
            assert duration(stream, gap) <= seconds
        # what follows in the chapter would not have fitted
        end = first + len(stream)
        if end < len(CHAPTERS) and end % 7:
            longer = duration(CHAPTERS[first : end + 1], gap)
            assert seconds is not None and longer > seconds
    lengths = [duration(stream, gap) for stream in streams]
    assert lengths == sorted(lengths)


def test_streams_without_bounds_are_all_utterances_of_a_speaker():
    streams = join_speakers(UTTERANCES, None, None)
    assert [len(stream) for stream in streams] == [50, 50]
    assert {len(s) for s in join_utterances(CHAPTERS, "reading", 3, None)} == {3, 1}


@pytest.mark.parametrize("gap", [0.0, 0.25])
def test_a_gap_is_silence_of_its_length(tmp_path, gap):
    path = tmp_path / "ones.wav"
    soundfile.write(path, np.full(32000, 0.5, np.float32), 16000, subtype="FLOAT")
    stream = tuple(
        Utterance(name, str(path), "ONE", seconds, "7")
        for name, seconds in [("a", 0.5), ("b", 1.0), ("c", 0.25)]
    )
    plans = [StreamPlan([stream])]
    dataset = make_stream_dataset(plans, Vocabulary.from_texts(["ONE"]), gap=gap)
    signal = dataset[0]["signal"]
    silence = np.zeros(round(gap * 16000))
    parts = [np.full(round(u.duration * 16000), 0.5) for u in stream]
    expected = np.concatenate([parts[0], silence, parts[1], silence, parts[2]])
    np.testing.assert_array_equal(signal, expected)
    assert dataset.data["a"]["duration"] == len(signal) / 16000
