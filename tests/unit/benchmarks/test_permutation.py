"""Streams in which digits go by other names: words are cut, joined and scored."""

import json
from random import Random

import pytest
import soundfile
import torch

from lact_modules.data.code_file import CodeFile
from lact_modules.data.manifest.manifest import read_manifest
from lact_modules.data.text.subwords import SubwordVocabulary
from lact_modules.errors import InputError
from tests.spoken_tones import NAMES, PAUSE, RATE, WORD, speak, tone


@pytest.fixture
def permutation(load_benchmark):
    return load_benchmark("permutation")


@pytest.fixture
def streams(load_benchmark):
    return load_benchmark("permuted_streams")


def test_words_are_found_between_the_longest_pauses(streams):
    torch.manual_seed(0)
    found = streams.find_words(speak(["SIX", "ONE", "TWO"]), 3)
    assert len(found) == 3
    for index, word in enumerate(found):
        begin = len(PAUSE) * (index + 1) + index * WORD
        assert word.start == pytest.approx(begin, abs=RATE // 50)
        assert word.stop == pytest.approx(begin + WORD, abs=RATE // 50)


def test_one_word_is_all_that_is_loud(streams):
    torch.manual_seed(0)
    [found] = streams.find_words(speak(["SIX"]), 1)
    assert found.stop - found.start == pytest.approx(WORD, abs=RATE // 25)


def test_pauses_that_may_be_within_words_are_not_cut_at(streams):
    torch.manual_seed(0)
    # three words of which two have silences within, all as long
    assert streams.find_words(speak(["SIX", "ONE", "TWO"]), 4) == []
    assert streams.find_words(torch.zeros(RATE), 2) == []


def test_what_does_not_last_as_a_word_does_is_not_cut(streams):
    torch.manual_seed(0)
    click = speak(["SIX"])
    click = torch.cat([click, PAUSE, torch.ones(100), PAUSE])
    assert streams.find_words(click, 2) == []
    # two words without a pause between
    joined = torch.cat([PAUSE, *([tone("SIX")[2000:]] * 5), PAUSE, tone("ONE"), PAUSE])
    assert streams.find_words(joined + 1e-4 * torch.randn(len(joined)), 2) == []


def test_the_transcript_of_a_name_is_its_meaning(streams):
    # a word sounds as a constant, so that the stream can be read
    words = {name: [torch.full((50,), float(i + 1))] for i, name in enumerate(NAMES)}
    plan = streams.Plan(names=3, strings=4, gap=0.5)
    parts, (introduction, written) = streams.make_stream(words, plan, Random(3))
    waveform = torch.cat([part.waveform for part in parts])
    levels = waveform.round()[waveform > 0.5].int()
    spoken = [NAMES[level - 1] for level in levels[::50].tolist()]
    pairs = introduction.split()
    assert spoken[:6] == pairs
    meaning = dict(zip(pairs[::2], pairs[1::2], strict=True))
    assert set(meaning) == set(meaning.values())
    assert len(meaning) == 3
    assert [meaning[name] for name in spoken[6:]] == written.split()
    assert 12 <= len(written.split()) <= 20
    # what is to be written where it is spoken
    words = [part.written for part in parts if part.written]
    assert words == pairs + written.split()


def test_pairs_can_be_told_apart_by_their_pauses(streams):
    # every word sounds alike, so nothing else says which is a name and which a meaning
    words = {name: [torch.ones(50)] for name in NAMES}
    plan = streams.Plan(names=3, strings=1, gap=3.0)
    parts, _ = streams.make_stream(words, plan, Random(3))
    pauses = [len(part.waveform) / RATE for part in parts if not part.written]
    within, between = pauses[1:6:2], pauses[2:5:2]
    assert max(within) < 0.1 < 0.3 < min(between)


def test_codes_are_what_is_to_be_written_at_each_hundredth_of_a_second(streams):
    lengths_and_words = [(400, ""), (320, "TWO"), (160, "ONE"), (200, "")]
    parts = [streams.Part(torch.zeros(n), word) for n, word in lengths_and_words]
    assert streams.list_codes(parts, ["ONE", "TWO"]).tolist() == [
        0,
        0,
        2,
        2,
        1,
        0,
        0,
    ]


def test_streams_are_made_of_each_split_and_scored(
    permutation, corpus, trained_run, tmp_path
):
    output, study = tmp_path / "streams", tmp_path / "study"
    options = dict(names=3, strings=1, gap=0.2, train=2, dev=1, test=2)
    permutation.main(output, corpus, [trained_run], study=study, **options)
    for split in ("train", "dev", "test"):
        streams = read_manifest(output / f"{split}.jsonl")
        assert len(streams) == options[split]
        for stream in streams:
            assert soundfile.info(stream.audio_filepath).duration == pytest.approx(
                stream.duration
            )
            assert len(stream.text.split()) >= 6 + 3
        codes = CodeFile(output / f"{split}.npz")
        assert codes.num_codes == 1 + len(NAMES)
        assert all(
            len(codes[stream.id]) == pytest.approx(100 * stream.duration, abs=1)
            for stream in streams
        )
    words = SubwordVocabulary((output / "words.model").read_bytes())
    assert [len(words.encode(name)) for name in NAMES] == [1] * len(NAMES)
    assert words.decode(words.encode("TWO TEN SIX")) == "TWO TEN SIX"
    report = json.loads((study / "result.json").read_text())
    measured = report["permutation"]
    assert [*measured] == [trained_run.name, f"{trained_run.name}, update off"]
    for rates in measured.values():
        assert rates.keys() == {"beginning", "behind_gap"}
    assert report["plan"]["names"] == 3


def test_a_training_is_measured_and_not_repeated(
    load_benchmark, permutation, corpus, make_words_run, tmp_path, capsys
):
    output = tmp_path / "streams"
    options = dict(names=3, strings=1, gap=0.6, train=2, dev=1, test=1)
    permutation.main(output, corpus, **options)
    run = make_words_run(output / "words.model")
    training = load_benchmark("permuted_training")
    options = dict(corpus=output, seeds="1", output=tmp_path / "study")
    training.main([run], steps=26, **options)
    report = json.loads((tmp_path / "study" / "result.json").read_text())
    assert [*report["permutation"]] == ["words, seed 1", "words, seed 1, update off"]
    assert "behind the gap" in capsys.readouterr().out
    training.main([run], steps=26, **options)
    assert capsys.readouterr().out == ""
    with pytest.raises(InputError, match="other streams or settings"):
        training.main([run], steps=27, **options)


def test_tokens_of_a_training_are_whole_words(
    load_benchmark, permutation, corpus, trained_run, tmp_path
):
    output = tmp_path / "streams"
    options = dict(names=3, strings=1, gap=0.6, train=1, dev=1, test=1)
    permutation.main(output, corpus, **options)
    training = load_benchmark("permuted_training")
    with pytest.raises(InputError, match=r"no token for the word.*words\.model"):
        training.main([trained_run], output, output=tmp_path / "study")


def test_the_same_seed_makes_the_same_streams(permutation, corpus, tmp_path):
    options = dict(names=3, strings=1, gap=0.2, train=1, dev=1, test=1)
    for name in ("a", "b"):
        permutation.main(tmp_path / name, corpus, **options)
    first, second = (
        (tmp_path / name / "train" / "7-0000.flac").read_bytes() for name in "ab"
    )
    assert first == second


@pytest.mark.parametrize(
    ("data", "message"),
    [(True, "no speaker has 6 different words"), (False, "makes some with --data")],
)
def test_faults_are_reported_on_one_line(permutation, corpus, tmp_path, data, message):
    with pytest.raises(InputError, match=message):
        permutation.main(tmp_path / "streams", corpus if data else None)
