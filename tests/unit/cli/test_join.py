"""``lact-asr join``."""

import json
import os
import signal

import numpy as np
import pytest
import soundfile
import torch

from lact_modules.cli import join as module
from lact_modules.data.audio import load_audio
from lact_modules.data.manifest.manifest import read_manifest


@pytest.fixture
def corpus(tmp_path):
    """Two chapters of a speaker, one of another; of each utterance other samples."""
    rng = np.random.default_rng(1)
    for speaker, chapter, lengths in (
        ("7", "1", [1.0, 2.0, 1.5, 3.75, 0.5]),
        ("7", "2", [1.0, 1.0]),
        ("8", "3", [0.75, 1.0]),
    ):
        folder = tmp_path / "test" / speaker / chapter
        folder.mkdir(parents=True)
        names = [f"{speaker}-{chapter}-{i:04d}" for i in range(len(lengths))]
        for name, seconds in zip(names, lengths, strict=True):
            samples = rng.integers(-9000, 9000, round(seconds * 16000), np.int16)
            soundfile.write(folder / f"{name}.flac", samples, 16000)
        lines = "".join(f"{name} SAID {name[-1]}\n" for name in names)
        (folder / f"{speaker}-{chapter}.trans.txt").write_text(lines)
    return tmp_path / "test"


@pytest.fixture
def join(lact_asr, corpus, tmp_path):
    def run(*options, data=corpus, out=tmp_path / "out"):
        return lact_asr("join", data, out, *options)

    return run


def manifest(folder):
    return [json.loads(line) for line in (folder / "manifest.jsonl").open()]


def check(folder, corpus, gap):
    """Every part is at its stated place, sample for sample, silence between."""
    for entry in manifest(folder):
        samples = load_audio(folder / entry["audio_filepath"])
        assert entry["duration"] == len(samples) / 16000
        expected, end = torch.zeros(len(samples)), -gap
        for part in entry["parts"]:
            assert part["start"] == pytest.approx(end + gap)
            [path] = corpus.rglob(f"{part['id']}.flac")
            signal, start = load_audio(path), round(part["start"] * 16000)
            assert part["duration"] == len(signal) / 16000
            expected[start : start + len(signal)] = signal
            end = part["start"] + part["duration"]
        assert end == pytest.approx(entry["duration"])
        assert torch.equal(samples, expected)
        assert entry["text"] == " ".join(part["text"] for part in entry["parts"])


@pytest.mark.parametrize(
    ("options", "gap", "expected"),
    [
        (
            ("--seconds", 5),
            0.5,
            [
                *(["7-1-0000", "7-1-0001"], ["7-1-0002"], ["7-1-0003", "7-1-0004"]),
                *(["7-2-0000", "7-2-0001"], ["8-3-0000", "8-3-0001"]),
            ],
        ),
        (
            ("--seconds", 3, "--gap", 0),
            0,
            [
                *(["7-1-0000", "7-1-0001"], ["7-1-0002"], ["7-1-0003"], ["7-1-0004"]),
                *(["7-2-0000", "7-2-0001"], ["8-3-0000", "8-3-0001"]),
            ],
        ),
        (
            ("--seconds", 100, "--by", "speaker", "--gap", 0.25),
            0.25,
            [
                [*(f"7-1-000{i}" for i in range(5)), "7-2-0000", "7-2-0001"],
                ["8-3-0000", "8-3-0001"],
            ],
        ),
    ],
    ids=["gap", "no gap", "speaker"],
)
def test_what_follows_each_other_is_joined(
    join, corpus, tmp_path, options, gap, expected
):
    finished = join(*options)
    assert (finished.code, "9 joined, 0 failed" in finished.err) == (0, True)
    entries = manifest(tmp_path / "out")
    assert [[part["id"] for part in e["parts"]] for e in entries] == expected
    check(tmp_path / "out", corpus, gap)
    assert [e["speaker"] for e in entries] == [each[0][0] for each in expected]
    files = {path.name for path in (tmp_path / "out").glob("*.flac")}
    assert files == {entry["audio_filepath"] for entry in entries}
    assert f"{len(expected)} recordings, 9 utterances" in finished.out
    alone = "1 longer than 3 s stay alone"
    assert (alone in finished.out) == ("stay alone" in finished.out) == (gap == 0)


def test_joined_recordings_can_be_joined_further(join, tmp_path):
    join("--seconds", 5)
    first = tmp_path / "out"
    join("--seconds", 100, data=first / "manifest.jsonl", out=tmp_path / "further")
    texts = [u.text for u in read_manifest(tmp_path / "further" / "manifest.jsonl")]
    assert texts[0] == "SAID 0 SAID 1 SAID 2 SAID 3 SAID 4"
    assert len(texts) == 3


def test_what_cannot_be_read_is_named_and_left_out(join, corpus, tmp_path):
    path = next(corpus.rglob("7-1-0001.flac"))
    lines = [
        {"id": p.stem, "audio_filepath": str(p), "text": "A", "duration": 1.0}
        for p in sorted(corpus.rglob("7-1-*.flac"))[:3]
    ]
    path.write_bytes(path.read_bytes()[:100])
    table = tmp_path / "a.jsonl"
    table.write_text("".join(json.dumps(line) + "\n" for line in lines))
    finished = join("--seconds", 60, data=table)
    assert finished.code == 2
    assert "not joined: " in finished.err and "7-1-0001.flac" in finished.err
    [entry] = manifest(tmp_path / "out")
    assert [part["id"] for part in entry["parts"]] == ["7-1-0000", "7-1-0002"]
    assert (entry["text"], entry["duration"]) == ("A A", 2.5)


def test_what_is_there_is_left_alone(join, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    finished = join("--seconds", 60)
    assert finished.code == 2
    assert "out: exists; remove it" in finished.err
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([{"text": "A", "duration": 1.0, "audio_filepath": "a.wav"}], "'order'"),
        (
            [
                {"text": "A", "duration": 1.0, "audio_filepath": "gone.wav"}
                | {"order": 1, "speaker": "s"}
            ],
            "not one utterance could be read",
        ),
    ],
)
def test_nothing_is_left_of_what_fails(join, tmp_path, lines, message):
    table = tmp_path / "a.jsonl"
    table.write_text("".join(json.dumps(line) + "\n" for line in lines))
    before = sorted(tmp_path.iterdir())
    finished = join("--seconds", 60, data=table)
    assert finished.code == 2
    assert message in finished.err.splitlines()[-1]
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.usefixtures("heeds_interrupts")
def test_an_interrupt_leaves_nothing(join, monkeypatch, tmp_path):
    read, load = [], module.load_utterance

    def load_and_interrupt(utterance):
        read.append(utterance)
        if len(read) == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return load(utterance)

    monkeypatch.setattr(module, "load_utterance", load_and_interrupt)
    assert join("--seconds", 4).code != 0
    assert [path.name for path in tmp_path.iterdir()] == ["test"]
