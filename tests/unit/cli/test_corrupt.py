import json
import math
import os
import signal

import pytest
import soundfile
import torch

from lact_modules.cli import corrupt as module
from lact_modules.cli.option.transcribed import load_utterance
from lact_modules.data.audio import load_audio
from lact_modules.data.corruption import rms
from lact_modules.data.manifest.manifest import Utterance, read_manifest, write_manifest


@pytest.fixture
def corrupt(lact_asr, split, tmp_path):
    def run(*conditions, data=split, out=tmp_path / "out", options=()):
        given = [word for each in conditions for word in ("--condition", each)]
        return lact_asr("corrupt", data, out, *given, *options)

    return run


@pytest.fixture
def noises(tmp_path):
    folder = tmp_path / "noises"
    folder.mkdir()
    noise = 0.1 * torch.randn(48000, generator=torch.Generator().manual_seed(3))
    soundfile.write(folder / "hum.wav", noise.numpy(), 16000)
    return folder


def copies(folder):
    return {
        path.relative_to(folder): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_each_condition_is_a_copy_that_evaluate_takes(
    corrupt, lact_asr, trained_run, noises, split, tmp_path
):
    options = ("--noise-folder", noises, "--rir-folder", noises)
    conditions = ("noise:5", "speed:0.9", "room:hum.wav+gaussian:0.01")
    finished = corrupt(*conditions, options=options)
    assert (finished.code, "3 copied, 0 failed" in finished.err) == (0, True)
    names = ("noise-5dB", "speed-0.9", "room-hum.wav+gaussian-0.01")
    lines = finished.out.splitlines()
    for line, name in zip(lines, names, strict=True):
        folder = tmp_path / "out" / name
        assert line.startswith(f"{folder}: 3 utterances, 0.00 h, 0.")
        score = tmp_path / "scores.json"
        evaluate = ("evaluate", "--model", trained_run, "--json", score)
        assert lact_asr(*evaluate, "--data", folder / "manifest.jsonl").code == 0
        scores = json.loads(score.read_text())
        assert [u["id"] for u in scores["utterances"]] == [
            f"7-1-000{index}" for index in range(3)
        ]
        assert scores["n_words"] == 6
    for noisy in read_manifest(tmp_path / "out" / "noise-5dB" / "manifest.jsonl"):
        clean = load_audio(split / "7" / "1" / f"{noisy.id}.flac")
        added = load_audio(noisy.audio_filepath) - clean
        assert 20 * math.log10(rms(clean) / rms(added)) == pytest.approx(5, abs=0.2)


def test_equal_seeds_give_equal_bytes(corrupt, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        corrupt("gaussian:0.1", out=tmp_path / name, options=("--seed", seed))
    written = [copies(tmp_path / name) for name in "abc"]
    assert written[0] == written[1]
    assert written[0].keys() == written[2].keys()
    assert written[0] != written[2]


def test_the_number_of_threads_does_not_matter(corrupt, noises, tmp_path):
    # short sums are not shared between threads
    long = Utterance("long", str(noises / "hum.wav"), "A", 0.0)
    write_manifest(tmp_path / "test.jsonl", [long])
    options = ("--noise-folder", noises, "--rir-folder", noises)
    try:
        for num_threads in (1, 2):
            torch.set_num_threads(num_threads)
            out = tmp_path / f"{num_threads}"
            corrupt(
                "room+noise:5", data=tmp_path / "test.jsonl", out=out, options=options
            )
    finally:
        torch.set_num_threads(1)
    assert copies(tmp_path / "1") == copies(tmp_path / "2") != {}


def test_a_manifest_may_cut_files(corrupt, audio_folder, tmp_path):
    path = audio_folder / "noise-3.flac"
    part = Utterance("part", str(path), "A", duration=0.2, offset=0.1)
    write_manifest(tmp_path / "test.jsonl", [part])
    assert corrupt("clip:1", data=tmp_path / "test.jsonl").code == 0
    [copy] = read_manifest(tmp_path / "out" / "clip-1" / "manifest.jsonl")
    assert (copy.duration, copy.offset) == (0.2, 0.0)
    cut = load_audio(path)[1600:4800]
    assert torch.equal(load_audio(copy.audio_filepath), cut)


def test_unusable_utterances_are_left_out(corrupt, split, tmp_path):
    (split / "7" / "1" / "7-1-0001.flac").write_bytes(b"not audio")
    finished = corrupt("speed:2")
    assert finished.code == 2
    assert "not copied: 7-1-0001: unusable audio" in finished.err
    assert "2 copied, 1 failed" in finished.err
    assert "speed-2: 2 utterances" in finished.out
    assert len(read_manifest(tmp_path / "out" / "speed-2" / "manifest.jsonl")) == 2


def test_unreadable_files_of_a_manifest_are_left_out(corrupt, audio_folder, tmp_path):
    good = Utterance("good", str(audio_folder / "noise-0.flac"), "A", 0.0)
    gone = Utterance("gone", str(tmp_path / "gone.wav"), "A", 1.0)
    write_manifest(tmp_path / "test.jsonl", [gone, good])
    finished = corrupt("speed:2", data=tmp_path / "test.jsonl")
    assert finished.code == 2
    assert "not copied: " in finished.err
    assert "gone.wav: no such file" in finished.err
    [copy] = read_manifest(tmp_path / "out" / "speed-2" / "manifest.jsonl")
    assert copy.id == "good"


def test_nothing_is_written_where_nothing_could_be_read(corrupt, tmp_path):
    gone = Utterance("gone", str(tmp_path / "gone.wav"), "A", 1.0)
    write_manifest(tmp_path / "test.jsonl", [gone])
    finished = corrupt("speed:2", data=tmp_path / "test.jsonl")
    assert (finished.code, finished.out) == (2, "")
    assert "test.jsonl: not one utterance could be read" in finished.err
    assert not list((tmp_path / "out").iterdir())


def test_a_broken_noise_ends_the_run_and_leaves_nothing(corrupt, noises, tmp_path):
    (noises / "hum.wav").write_bytes(b"not audio")
    finished = corrupt("speed:2", "noise:5", options=("--noise-folder", noises))
    assert (finished.code, finished.out) == (2, "")
    assert "hum.wav: cannot be read as audio" in finished.err
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.usefixtures("heeds_interrupts")
def test_an_interrupt_leaves_what_was_there(corrupt, monkeypatch, tmp_path):
    assert corrupt("gaussian:0.1", options=("--seed", 2)).code == 0
    before = copies(tmp_path)
    num_read = 0

    def load(utterance):
        nonlocal num_read
        num_read += 1
        if num_read == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return load_utterance(utterance)

    monkeypatch.setattr(module, "load_utterance", load)
    finished = corrupt("speed:2", "gaussian:0.1")
    assert finished.code != 0
    assert finished.out == ""
    assert num_read == 2
    assert copies(tmp_path) == before


def test_faults_of_the_user_come_before_anything_is_written(
    corrupt, audio_folder, tmp_path
):
    for condition, fault in (
        ("fuzz:3", "'fuzz:3': unknown; choose from gaussian:SIGMA"),
        ("gaussian", "expected gaussian:SIGMA, a number from 0 to 1"),
        ("noise:5", "give --noise-folder"),
        ("room", "give --rir-folder"),
    ):
        finished = corrupt("speed:2", condition)
        assert (finished.code, finished.out) == (2, "")
        assert fault in finished.err
        assert finished.err.count("\n") == 1
    missing = corrupt("speed:2", data=tmp_path / "missing.jsonl")
    assert (missing.code, "missing.jsonl: no such manifest" in missing.err) == (2, True)
    assert corrupt().code == 2
    twin = Utterance("twin", str(audio_folder / "noise-0.flac"), "A", 0.0)
    write_manifest(tmp_path / "test.jsonl", [twin, twin])
    finished = corrupt("speed:2", data=tmp_path / "test.jsonl")
    assert (finished.code, "twin appears twice" in finished.err) == (2, True)
    assert not (tmp_path / "out").exists()
