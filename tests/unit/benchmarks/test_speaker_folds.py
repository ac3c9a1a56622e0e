"""Folds that leave one speaker out, and their report."""

import json

import numpy
import pytest
import soundfile

from lact_modules.data.manifest.manifest import read_manifest


@pytest.fixture
def corpus(tmp_path):
    for split in ("train", "dev"):
        for speaker in "123":
            chapter = tmp_path / "corpus" / split / speaker / "1"
            chapter.mkdir(parents=True)
            name = f"{speaker}-1-0000"
            (chapter / f"{speaker}-1.trans.txt").write_text(f"{name} {split.upper()}")
            soundfile.write(chapter / f"{name}.wav", numpy.zeros(8000), 16000)
    return tmp_path / "corpus"


def test_a_fold_is_tested_on_the_speaker_it_lacks(load_benchmark, corpus, tmp_path):
    folds = load_benchmark("speaker_folds").write_folds(corpus, tmp_path / "folds")
    assert len(folds) == 3
    for fold, left_out in zip(folds, "123", strict=True):
        others = set("123") - {left_out}
        found = {
            name: {(u.speaker, u.text) for u in read_manifest(fold / f"{name}.jsonl")}
            for name in ("train", "seen", "unseen")
        }
        assert found == {
            "train": {(speaker, "TRAIN") for speaker in others},
            "seen": {(speaker, "DEV") for speaker in others},
            "unseen": {(left_out, "TRAIN")},
        }


def test_systems_are_compared_fold_by_fold(load_benchmark, tmp_path):
    trainings = load_benchmark("trainings")
    done = []
    for name, by_fold in {"a": [10, 40], "b": [9, 38], "c": [12]}.items():
        for fold, wer in enumerate(by_fold, start=1):
            system = trainings.System(name, tmp_path)
            done.append(trainings.Training(system, fold, tmp_path, []))
            done[-1].folder.mkdir()
            metrics = {test: {"greedy": {"wer": wer}} for test in ("seen", "unseen")}
            done[-1].result.write_text(json.dumps({"metrics": metrics}))
    summary = load_benchmark("speaker_folds").summarize(done)["systems"]
    assert summary["a"]["seen"]["difference"] == 0
    assert summary["b"]["unseen"]["wer"] == 23.5
    assert summary["b"]["unseen"]["difference"] == -1.5
    low, high = summary["b"]["unseen"]["interval"]
    assert low < -2 < -1 < high
    # one fold has no spread
    assert summary["c"]["seen"]["difference"] == 2
    assert summary["c"]["seen"]["interval"] is None
