"""Systems are compared by minute: transcripts, positions of words, and plots."""

import json

import numpy
import pytest
import soundfile

from lact_modules.data.manifest.manifest import Utterance, write_manifest
from lact_modules.decoding.hypothesis import Word
from lact_modules.errors import InputError
from tests.unit.conftest import HYPERPARAMETERS, make_run


@pytest.fixture
def by_minute(load_benchmark):
    return load_benchmark("by_minute")


@pytest.fixture
def recognized(load_benchmark):
    """Return a hypothesis in which every word takes two seconds."""
    recognition = load_benchmark("recognition")

    def make(text, seconds):
        words = [Word(w, 2.0 * i, 2.0 * i + 1) for i, w in enumerate(text.split())]
        return recognition.Recognized(words, seconds)

    return make


@pytest.fixture
def write(tmp_path):
    """Return a manifest of a noise of so many seconds, and a text."""

    def make(seconds, text):
        noise = numpy.random.default_rng(0).standard_normal(seconds * 16000)
        loudness = numpy.abs(numpy.sin(numpy.arange(len(noise)) / 3000))
        path = tmp_path / "long.flac"
        soundfile.write(path, 0.1 * loudness * noise, 16000)
        recordings = [Utterance("long", str(path), text, 0.0)]
        write_manifest(tmp_path / "long.jsonl", recordings)
        return tmp_path / "long.jsonl"

    return make


@pytest.mark.parametrize("way", ["transcribe", "chunk", "stream"])
def test_every_way_to_recognize_is_compared_by_minute(
    by_minute, streaming_run, write, tmp_path, way
):
    way = by_minute.Way(way)
    data = write(62, "A")
    system = by_minute.System(by_minute.ON, streaming_run)
    [found] = system.recognize(by_minute.read_some(data, None), way, 0.64, 5.12)
    # what is recognized while fast weights learn is called right
    data = write(62, " ".join(word.word for word in found.words))
    by_minute.main(
        *([streaming_run] * 2, data, [f"same={streaming_run}"], way),
        output=tmp_path / "study",
    )
    report = json.loads((tmp_path / "study" / "result.json").read_text())
    assert (report["study"], report["way"]) == ("by_minute", way.value)
    rates = report["by_minute"]
    assert list(rates) == ["update on", "update off", "same"]
    assert rates["update on"]["wer_by_run"] == [0.0, 0.0]
    assert rates["same"]["wer"] == 0.0
    off = rates["update off"]
    assert off["wer"] > 0
    against = rates["update on"]["against"]
    assert against["update off"]["wer"] == pytest.approx(-off["wer"])
    assert against["same"]["wer"] == 0.0
    minutes = rates["update on"]["minutes"]
    assert [each["minute"] for each in minutes] == [1, 2]
    assert sum(each["n_words"] for each in minutes) == len(found.words)
    words = [each["n_words"] for each in off["minutes"]]
    errors = [e["wer"] / 100 * n for e, n in zip(off["minutes"], words, strict=True)]
    assert sum(errors) == pytest.approx(off["wer"] / 100 * len(found.words))
    picture = (tmp_path / "study" / "by_minute.svg").read_text()
    assert all(f">{name}</text>" in picture for name in rates)


def test_words_are_in_the_same_minute_for_all_systems(by_minute, recognized):
    references = [Utterance(name, "", "A B C D", 0.0) for name in "ab"]
    late = recognized("A B C D", 100.0)
    late = late._replace(words=[Word(w.word, w.start + 70, 0.0) for w in late.words])
    systems = {
        # the word in between is deleted, where the others have it
        "update on": [[recognized("A B D", 100.0)] * 2],
        "update off": [[late] * 2, [recognized("A B X D", 100.0)] * 2],
    }
    counts = by_minute.align(references, systems)
    for of_system in counts.values():
        # the mean of 0 to 6 s, of 70 to 76 s, and of 0 to 6 s
        assert of_system[..., 3].tolist() == [[[4, 0]] * 2] * len(of_system)
    assert counts["update on"][0, :, 0].tolist() == [[0, 0, 1, 4]] * 2
    summary = by_minute.summarize(counts)
    assert summary["update off"]["wer_by_run"] == [0.0, 25.0]
    assert summary["update on"]["against"]["update off"]["wer"] == 12.5
    assert summary["update on"]["deletions"] == 2


def test_a_rise_is_reported_over_recordings(by_minute):
    # four words a minute; an error more in each minute of one system
    counts = numpy.zeros((1, 5, 3, 4))
    counts[..., 3] = 4
    rising = counts.copy()
    rising[..., 0] = [0, 1, 2]
    summary = by_minute.summarize({"update on": counts, "window": rising})
    assert summary["update on"]["rise"] == {"wer": 0.0, "interval": [0.0, 0.0]}
    assert summary["window"]["rise"] == {"wer": 37.5, "interval": [37.5, 37.5]}
    last = summary["update on"]["minutes"][2]["against"]["window"]
    assert (last["wer"], last["interval"]) == (-50.0, (-50.0, -50.0))


def test_faults_are_reported_on_one_line(by_minute, streaming_run, write, tmp_path):
    output = tmp_path / "study"
    for others in (["window"], ["=runs/1"], ["update on=runs/1"]):
        with pytest.raises(InputError, match="give NAME=RUN"):
            by_minute.main([streaming_run], write(2, "A"), others, output=output)
    with pytest.raises(InputError, match="no recording is longer than a minute"):
        by_minute.main([streaming_run], write(2, "A"), output=output)
    assert not output.exists()


def test_a_model_without_fast_weights_is_no_lact(by_minute, tmp_path):
    plain = HYPERPARAMETERS.replace("num_lact_heads: 2", "num_lact_heads: 0")
    (tmp_path / "run").mkdir()
    system = by_minute.System(
        by_minute.OFF, make_run(tmp_path / "run", plain), learns=False
    )
    with pytest.raises(InputError, match=r"--lact .*run: has no fast weights"):
        system.recognize([], by_minute.Way.CHUNK, 0.64, 5.12)
