import json
import logging
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from lact_modules.data.corpus import inspection
from lact_modules.data.corpus.librispeech import prepare_librispeech, read_transcripts
from lact_modules.data.manifest.manifest import read_manifest
from lact_modules.errors import InputError


@pytest.fixture
def count_decoded(monkeypatch):
    decoded = []

    def measure_audio(path, *part):
        decoded.append(Path(path).stem)
        return original(path, *part)

    original = inspection.measure_audio
    monkeypatch.setattr(inspection, "measure_audio", measure_audio)
    return decoded


def skipped_of(manifest):
    return json.loads(manifest.with_suffix(".skipped.json").read_text())


def test_each_split_gets_a_manifest_sorted_by_id(corpus, tmp_path):
    out = tmp_path / "manifests"
    manifests = prepare_librispeech(corpus, out, ["train", "dev-clean"])
    assert manifests == {
        "train": out / "train.jsonl",
        "dev-clean": out / "dev-clean.jsonl",
    }
    utterances = read_manifest(manifests["train"])
    assert [(u.id, u.text, u.speaker) for u in utterances] == [
        ("10-3-0000", "TEN", "10"),
        ("2-1-0000", "ONE ONE", "2"),
        ("2-1-0001", "TWO", "2"),
    ]
    assert [u.duration for u in utterances] == pytest.approx([1.5, 0.5, 0.5], abs=0.01)
    assert all(os.path.isabs(u.audio_filepath) for u in utterances)
    assert skipped_of(manifests["train"]) == {}


def test_folder_above_librispeech_will_do(corpus, tmp_path):
    (tmp_path / "above").mkdir()
    corpus.rename(tmp_path / "above" / "LibriSpeech")
    manifests = prepare_librispeech(tmp_path / "above", tmp_path / "out", ["train"])
    assert len(read_manifest(manifests["train"])) == 3


def test_unusable_utterances_are_skipped_and_listed(
    corpus, tmp_path, write_utterance, caplog
):
    train = corpus / "train"
    write_utterance(train, "3-1-0000", "SHORT", seconds=0.05)
    write_utterance(train, "3-1-0001", "LONG", seconds=3)
    write_utterance(train, "3-1-0002", "")
    write_utterance(train, "3-1-0003", "GONE").unlink()
    cut = write_utterance(train, "3-1-0004", "CUT", seconds=1)
    cut.write_bytes(cut.read_bytes()[:4000])
    fault = write_utterance(train, "3-1-0005", "FAULT", suffix=".wav")
    soundfile.write(fault, np.full(8000, np.nan), 16000, subtype="FLOAT")
    with caplog.at_level(logging.WARNING):
        manifests = prepare_librispeech(
            corpus, tmp_path / "out", ["train"], max_duration=2.0
        )
    assert len(read_manifest(manifests["train"])) == 3
    skipped = skipped_of(manifests["train"])
    assert {reason: list(details) for reason, details in skipped.items()} == {
        "too short": ["3-1-0000"],
        "too long": ["3-1-0001"],
        "empty transcript": ["3-1-0002"],
        "missing audio": ["3-1-0003"],
        "unusable audio": ["3-1-0004", "3-1-0005"],
    }
    assert "NaN" in skipped["unusable audio"]["3-1-0005"]
    assert "2 of 9 utterances skipped, unusable audio: 3-1-0004, 3-1-0005" in (
        caplog.text
    )


def test_unchanged_split_is_not_decoded_again(corpus, tmp_path, count_decoded):
    prepare_librispeech(corpus, tmp_path, ["train"])
    assert len(count_decoded) == 3
    prepare_librispeech(corpus, tmp_path, ["train"], num_workers=1)
    assert len(count_decoded) == 3


def test_change_of_audio_text_or_bounds_prepares_anew(
    corpus, tmp_path, write_utterance, count_decoded
):
    def prepare(**bounds):
        count_decoded.clear()
        manifest = prepare_librispeech(corpus, tmp_path, ["train"], **bounds)["train"]
        return [utterance.text for utterance in read_manifest(manifest)]

    assert prepare() == ["TEN", "ONE ONE", "TWO"]
    write_utterance(corpus / "train", "4-1-0000", "FOUR")
    assert prepare() == ["TEN", "ONE ONE", "TWO", "FOUR"]
    transcripts = corpus / "train" / "10" / "3" / "10-3.trans.txt"
    transcripts.write_text("10-3-0000 TWELVE\n")
    assert prepare() == ["TWELVE", "ONE ONE", "TWO", "FOUR"]
    assert prepare(max_duration=1.0) == ["ONE ONE", "TWO", "FOUR"]
    assert len(count_decoded) == 4


def test_interrupted_preparation_is_done_again(corpus, tmp_path, count_decoded):
    manifest = prepare_librispeech(corpus, tmp_path, ["train"])["train"]
    manifest.unlink()
    prepare_librispeech(corpus, tmp_path, ["train"])
    assert len(read_manifest(manifest)) == 3
    assert len(count_decoded) == 6


def test_missing_split_names_those_there_are(corpus, tmp_path):
    (corpus / "notes").mkdir()
    with pytest.raises(InputError, match=r"no such split; .* has: dev-clean, train$"):
        prepare_librispeech(corpus, tmp_path, ["test"])


def test_missing_or_empty_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="gone: no such folder"):
        prepare_librispeech(tmp_path / "gone", tmp_path, ["a"])
    (tmp_path / "empty" / "a").mkdir(parents=True)
    with pytest.raises(InputError, match=r"a: no transcripts"):
        prepare_librispeech(tmp_path / "empty", tmp_path, ["a"])


def test_split_without_a_usable_utterance_is_refused(tmp_path, write_utterance):
    write_utterance(tmp_path / "data" / "train", "1-1-0000", "").unlink()
    with pytest.raises(InputError, match="none of the 1 utterances is usable"):
        prepare_librispeech(tmp_path / "data", tmp_path / "out", ["train"])
    assert not (tmp_path / "out").exists()


def test_transcripts_are_read_without_audio(tmp_path):
    for split, name, text in (
        ("b", "2-1", "TEN"),
        ("b", "1-1", "ONE"),
        ("a", "3-1", ""),
    ):
        chapter = tmp_path / "LibriSpeech" / split / name[0] / "1"
        chapter.mkdir(parents=True)
        (chapter / f"{name}.trans.txt").write_text(f"{name}-0 TWO\n{name}-1 {text}\n")
    texts = read_transcripts(tmp_path, ["b", "a"])
    assert texts == ["TWO", "ONE", "TWO", "TEN", "TWO"]
    with pytest.raises(InputError, match=r"c: no such split; .* has: a, b"):
        read_transcripts(tmp_path, ["a", "c"])
