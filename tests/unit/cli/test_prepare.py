"""Corpora and folders as users have them, through ``lact-asr prepare``."""

import json

import numpy as np
import pytest
import soundfile

from lact_modules.data.manifest.manifest import read_manifest


@pytest.fixture
def record(tmp_path):
    """Write half a second of noise and its text; give the audio's path."""

    def record(name, text=None, ending=".txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        samples = 0.1 * np.random.default_rng(0).normal(size=8000)
        soundfile.write(path, samples, 16000)
        if text is not None:
            path.with_suffix(ending).write_text(text)
        return path

    return record


def add_leftovers(folder):
    """Put beside each file what macOS leaves on foreign disks, and a hidden folder."""
    for path in [*folder.rglob("*.*")]:
        path.with_name(f"._{path.name}").write_bytes(b"\0\5\x16\7\xff\xfe")
    (folder / ".trash").mkdir()
    (folder / ".trash" / "old.wav").write_bytes(b"no audio")


def texts(manifest):
    return {u.id: u.text for u in read_manifest(manifest)}


def test_a_folder_holds_links_leftovers_and_upper_case(record, lact_asr, tmp_path):
    record("letters/a.flac", "ONE")
    record("letters/B.FLAC", "TWO", ending=".TXT")
    record("letters/m.Wav", "SIX", ending=".Lab")
    record("elsewhere/c.flac", "TEN")
    (tmp_path / "letters" / "linked").symlink_to("../elsewhere")
    # a link to a folder above has no end
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "letters")
    add_leftovers(tmp_path / "letters")
    done = lact_asr("prepare", "folder", tmp_path / "letters", tmp_path / "out")
    assert done.code == 0, done.err
    assert texts(tmp_path / "out" / "letters.jsonl") == {
        "B": "TWO",
        "a": "ONE",
        "linked/c": "TEN",
        "m": "SIX",
    }
    skipped = json.loads((tmp_path / "out" / "letters.skipped.json").read_text())
    assert skipped == {}


def test_a_corrected_transcript_of_a_linked_folder_arrives(record, lact_asr, tmp_path):
    record("elsewhere/c.flac", "TEN")
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "linked").symlink_to("../elsewhere")
    prepare = ("prepare", "folder", tmp_path / "letters", tmp_path / "out")
    assert lact_asr(*prepare).code == 0
    (tmp_path / "elsewhere" / "c.txt").write_text("TWO")
    assert lact_asr(*prepare).code == 0
    assert texts(tmp_path / "out" / "letters.jsonl") == {"linked/c": "TWO"}


def test_speakers_in_the_layout_of_librispeech_may_be_links(record, lact_asr, tmp_path):
    record("store/7/1/7-1-0000.mp3")
    record("store/7/1/7-1-0001.FLAC")
    transcripts = tmp_path / "store" / "7" / "1" / "7-1.trans.txt"
    transcripts.write_text("7-1-0000 ONE\n7-1-0001 TWO\u2028 TEN\n")
    (tmp_path / "corpus" / "train").mkdir(parents=True)
    (tmp_path / "corpus" / "train" / "7").symlink_to(tmp_path / "store" / "7")
    add_leftovers(tmp_path / "store")
    prepare = ("prepare", "librispeech", tmp_path / "corpus", tmp_path / "out")
    done = lact_asr(*prepare, "--splits", "train")
    assert done.code == 0, done.err
    manifest = tmp_path / "out" / "train.jsonl"
    assert texts(manifest) == {"7-1-0000": "ONE", "7-1-0001": "TWO TEN"}
    transcripts.write_text("7-1-0000 SIX\n")
    assert lact_asr(*prepare, "--splits", "train").code == 0
    assert texts(manifest) == {"7-1-0000": "SIX"}


def test_doctor_finds_what_the_preparation_finds(record, lact_asr, tmp_path):
    record("store/7/1/7-1-0000.mp3")
    (tmp_path / "store" / "7" / "1" / "7-1.trans.txt").write_text("7-1-0000 ONE\n")
    (tmp_path / "corpus" / "train").mkdir(parents=True)
    (tmp_path / "corpus" / "train" / "7").symlink_to(tmp_path / "store" / "7")
    add_leftovers(tmp_path / "store")
    done = lact_asr("doctor", "--data", tmp_path / "corpus")
    assert done.code == 0, done.out
    assert "1 utterances, 1 tried" in done.out


@pytest.fixture
def spontaneous(record, tmp_path):
    """Write a release of spontaneous speech; give its folder."""
    folder = tmp_path / "sps-corpus-3.0-2026-03-09-cy"
    columns = ["client_id", "audio_id", "audio_file", "duration_ms", "prompt"]
    columns += ["transcription", "votes", "language", "split", "quality_tags"]
    rows = [
        ("1", "Well, [disfluency] it's me.", "train"),
        ("2", "Not\there", "train"),
        ("3", "[noise]", "train"),
        ("4", "Yes!", "dev"),
        ("5", "", "unassigned"),
        ("6", "Perhaps", "unassigned"),
    ]
    lines = ["\t".join(columns)]
    for name, text, split in rows:
        audio = f"spontaneous-speech-cy-{name}.mp3"
        record(f"{folder.name}/audios/{audio}")
        cells = dict.fromkeys(columns, "")
        cells |= {"client_id": "s", "audio_file": audio, "transcription": text}
        cells |= {"duration_ms": "500", "prompt": "Who is it?", "split": split}
        lines.append("\t".join(cells.values()))
    table = folder / "ss-corpus-cy.tsv"
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    reported = folder / "ss-reported-audios-cy.tsv"
    reported.write_text("client_id\taudio_file\treason\ns\tx.mp3\tother\n")
    return folder


def test_spontaneous_speech_has_its_splits_in_one_table(
    spontaneous, lact_asr, tmp_path
):
    splits = ("--splits", "train,dev,unassigned", "--language", "cy")
    done = lact_asr("prepare", "commonvoice", spontaneous, tmp_path / "out", *splits)
    assert done.code == 0, done.err
    texts = {
        split: [(u.id, u.text) for u in read_manifest(tmp_path / f"out/{split}.jsonl")]
        for split in ("train", "dev", "unassigned")
    }
    assert texts == {
        "train": [
            ("spontaneous-speech-cy-1", "WELL IT'S ME"),
            ("spontaneous-speech-cy-2", "NOT HERE"),
        ],
        "dev": [("spontaneous-speech-cy-4", "YES")],
        "unassigned": [("spontaneous-speech-cy-6", "PERHAPS")],
    }
    skipped = json.loads((tmp_path / "out" / "train.skipped.json").read_text())
    assert [*skipped["empty transcript"]] == ["spontaneous-speech-cy-3"]


def test_all_of_spontaneous_speech_goes_by_the_name_of_its_table(
    spontaneous, lact_asr, tmp_path
):
    out = tmp_path / "out"
    command = ("prepare", "commonvoice", spontaneous, out, "--splits=ss-corpus-cy")
    done = lact_asr(*command)
    assert done.code == 2
    assert "in cy, where --language is en" in done.err
    done = lact_asr(*command, "--language", "cy")
    assert done.code == 0, done.err
    assert len(read_manifest(out / "ss-corpus-cy.jsonl")) == 4
    done = lact_asr("prepare", "commonvoice", spontaneous, out, "--splits=validated")
    assert done.code == 2
    assert "no such split" in done.err
    for name in ("train", "dev", "unassigned", "ss-corpus-cy"):
        assert name in done.err
