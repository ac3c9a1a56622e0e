import numpy as np
import pytest
import soundfile
import torch
from speechbrain.dataio.batch import PaddedBatch

from lact_modules.data.manifest.manifest import Utterance, write_manifest
from lact_modules.data.text.vocabulary import Vocabulary
from lact_modules.errors import InputError
from lact_modules.training.dataset.dataset import make_dataset, read_manifests

VOCABULARY = Vocabulary.from_texts(["ENOTW"])


def describe(utterance_id, text="ONE", duration=1.0, path="x.wav", offset=0.0):
    return Utterance(utterance_id, str(path), text, duration, offset=offset)


@pytest.fixture
def ramp(tmp_path):
    """Two seconds whose samples show their time."""
    path = tmp_path / "ramp.wav"
    samples = np.linspace(0, 1, 32000, endpoint=False, dtype=np.float32)
    soundfile.write(path, samples, 16000, subtype="FLOAT")
    return path


def test_manifests_are_joined_shortest_first(tmp_path):
    write_manifest(tmp_path / "a.jsonl", [describe("a", duration=3.0)])
    write_manifest(
        tmp_path / "b.jsonl",
        [describe("c", duration=2.0), describe("b", duration=2.0)],
    )
    manifests = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    assert [u.id for u in read_manifests(manifests)] == ["b", "c", "a"]


def test_durations_that_a_manifest_lacks_are_those_of_the_files(ramp, tmp_path):
    manifest = tmp_path / "nemo.jsonl"
    manifest.write_text(
        f'{{"audio_filepath": "{ramp}", "text": "ONE"}}\n'
        f'{{"audio_filepath": "{ramp}", "text": "TWO", "offset": 1.5}}\n'
    )
    found = read_manifests([manifest], max_duration=1.0)
    assert [(u.text, u.duration) for u in found] == [("TWO", 0.5)]


def test_long_utterances_are_left_out_and_counted(tmp_path, caplog):
    manifest = tmp_path / "a.jsonl"
    utterances = [describe("a", duration=20.0), describe("b", duration=20.1)]
    write_manifest(manifest, utterances)
    assert [u.id for u in read_manifests([manifest], max_duration=20.0)] == ["a"]
    assert "1 of 2 utterances are longer than 20 s" in caplog.text
    with pytest.raises(InputError, match=r"shorter than 1\.0 s; raise max_train"):
        read_manifests([manifest], max_duration=1.0)


def test_items_hold_samples_tokens_and_text(ramp):
    utterance = describe("u", "TWO  ONE", duration=2.0, path=ramp)
    item = make_dataset([utterance], VOCABULARY)[0]
    assert (item["id"], item["text"]) == ("u", "TWO  ONE")
    assert VOCABULARY.decode(item["tokens"].tolist()) == "TWO ONE"
    assert item["tokens"].dtype == torch.int64
    assert item["signal"].shape == (32000,)
    assert item["signal"].dtype == torch.float32


def test_utterances_may_be_parts_of_a_file(ramp):
    halves = [
        describe("first", duration=1.0, path=ramp),
        describe("second", duration=1.0, path=ramp, offset=1.0),
    ]
    first, second = make_dataset(halves, VOCABULARY)
    assert len(first["signal"]) == len(second["signal"]) == 16000
    assert first["signal"][0] == 0.0
    assert second["signal"][0] == pytest.approx(0.5)


def test_items_make_a_padded_batch(ramp):
    utterances = [
        describe("u", "ONE", duration=1.0, path=ramp),
        describe("v", "TWO TWO", duration=2.0, path=ramp),
    ]
    batch = PaddedBatch(list(make_dataset(utterances, VOCABULARY)))
    assert batch.signal.data.shape == (2, 32000)
    assert batch.signal.lengths.tolist() == [0.5, 1.0]
    assert batch.tokens.data.shape == (2, 7)
    assert batch.id == ["u", "v"]


def test_unknown_characters_are_counted_and_the_first_is_named():
    utterances = [describe("u"), describe("v", "ÉTÉ 1"), describe("w", "one")]
    with pytest.raises(InputError, match=r"2 transcripts .* first v: '1 É'") as caught:
        make_dataset(utterances, VOCABULARY)
    assert "\n" not in str(caught.value)
    assert "'characters'" in str(caught.value)
    assert "--characters null" in str(caught.value)


def test_characters_of_what_is_scored_may_be_unknown(ramp, caplog):
    utterances = [describe("u", path=ramp), describe("v", "ONE ÉTÉ", path=ramp)]
    utterances += [describe("w", "é", path=ramp)]
    known, partly, unknown = make_dataset(utterances, VOCABULARY, must_spell=False)
    assert VOCABULARY.decode(known["tokens"].tolist()) == "ONE"
    assert VOCABULARY.decode(partly["tokens"].tolist()) == "ONE T"
    assert partly["text"] == "ONE ÉTÉ"
    assert unknown["tokens"].shape == (0,)
    assert "2 of 3 transcripts hold characters that the vocabulary lacks" in caplog.text
    assert "first v (all: É é)" in caplog.text


def test_ids_must_differ():
    with pytest.raises(InputError, match="1 utterance ids appear twice"):
        make_dataset([describe("u"), describe("v"), describe("u")], VOCABULARY)
