import shutil
import sys
from importlib import metadata

import numpy
import pytest
import soundfile
import typer
from typer.testing import CliRunner

from lact_modules.cli import data_checks
from lact_modules.cli.doctor import doctor
from lact_modules.data.manifest.manifest import Utterance, write_manifest
from lact_modules.data.text.vocabulary import Vocabulary

app = typer.Typer()
app.command()(doctor)


def run(*arguments):
    result = CliRunner().invoke(app, list(map(str, arguments)), env={"COLUMNS": "400"})
    lines = [line.split() for line in result.stdout.splitlines()]
    rows = {subject: " ".join(rest) for subject, *rest in filter(None, lines)}
    return result.exit_code, rows


@pytest.fixture
def corpus(tmp_path):
    chapter = tmp_path / "corpus" / "LibriSpeech" / "train" / "7" / "1"
    chapter.mkdir(parents=True)
    (chapter / "7-1.trans.txt").write_text("7-1-0000 ONE TWO\n7-1-0001 TEN\n")
    for number in range(2):
        audio = chapter / f"7-1-000{number}.flac"
        soundfile.write(audio, numpy.zeros(16000), 16000)
    return tmp_path / "corpus"


def test_this_environment_is_fit():
    code, rows = run()
    assert code == 0
    for subject in ("Python", "packages", "torch", "audio", "beam", "disk"):
        assert subject in rows
    assert "flac, opus, mp3" in rows["audio"]


def test_package_out_of_range_fails_with_the_command_that_repairs(monkeypatch):
    installed = metadata.version
    monkeypatch.setattr(
        metadata,
        "version",
        lambda name: "0.0.1" if name == "speechbrain" else installed(name),
    )
    code, rows = run()
    assert code == 2
    assert rows["speechbrain"].startswith("fail 0.0.1")
    assert "pip install 'speechbrain" in rows["speechbrain"]


def test_requirements_hold_where_their_markers_do(monkeypatch):
    needed = ["torch>=2", "nothing>=1; python_version < '3'", "extra>=1; extra == 'a'"]
    monkeypatch.setattr(metadata, "requires", lambda name: needed)
    assert run()[1]["packages"].startswith("ok 1 ")
    monkeypatch.setattr(
        metadata, "requires", lambda name: ["nothing>=1; python_version > '3'"]
    )
    assert run()[1]["nothing"].startswith("fail not installed pip install 'nothing>=1'")


def test_torchaudio_of_another_torch_fails(monkeypatch):
    installed = metadata.version
    others = {"torch": "2.12.0", "torchaudio": "2.11.1"}
    monkeypatch.setattr(
        metadata, "version", lambda name: others.get(name) or installed(name)
    )
    assert run()[1]["torchaudio"].startswith("ok")
    # None in sys.modules makes the import fail
    monkeypatch.setitem(sys.modules, "torchaudio", None)
    code, rows = run()
    assert code == 2
    assert rows["torchaudio"].startswith("fail")
    assert rows["torchaudio"].endswith("'torchaudio==2.11.0'")


def test_full_disk_only_warns(monkeypatch):
    usage = shutil.disk_usage(".")._replace(free=10**9)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    code, rows = run()
    assert code == 0
    assert rows["disk"].startswith("warn 1.0 GB")


def test_caches_that_cannot_be_written_are_named_with_their_variables(
    monkeypatch, tmp_path
):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    assert str(tmp_path / "torch" / "lact_asr") in run()[1]["caches"]
    # below a file nobody can make a folder, not even root
    (tmp_path / "file").touch()
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "file" / "torch"))
    code, rows = run()
    assert code == 0
    assert rows["caches"].startswith("warn cannot be written: ")
    assert str(tmp_path / "file" / "torch") in rows["caches"]
    assert "TORCH_HOME" in rows["caches"]


def test_counts_a_corpus_from_any_folder_above(corpus):
    for folder in (corpus, corpus / "LibriSpeech", corpus / "LibriSpeech" / "train"):
        code, rows = run("--data", folder)
        assert code == 0
        assert rows["train"] == "ok 2 utterances, 2 tried"
        assert rows["characters"] == "ok 5: ENOTW"


def test_reads_a_manifest(corpus):
    audio = next(corpus.rglob("*.flac"))
    write_manifest(corpus / "dev.jsonl", [Utterance("a", str(audio), "ONE", 1.0)])
    code, rows = run("--data", corpus / "dev.jsonl")
    assert code == 0
    assert rows["dev"] == "ok 1 utterances, 1 tried"


def test_names_audio_that_cannot_be_used(corpus):
    next(corpus.rglob("*.flac")).write_bytes(b"no audio")
    code, rows = run("--data", corpus)
    assert code == 2
    assert rows["train"].startswith("fail 2 utterances, 1 of 2 tried unusable")


def test_mixed_case_warns(corpus):
    transcripts = next(corpus.rglob("*.trans.txt"))
    transcripts.write_text("7-1-0000 One\n")
    code, rows = run("--data", corpus)
    assert code == 0
    assert rows["characters"].startswith("warn mixed case: Oen")


@pytest.mark.parametrize("content", [None, b"7-1-0000 \xff\n"])
def test_no_or_unreadable_transcripts_fail(tmp_path, content):
    if content is not None:
        (tmp_path / "train" / "1" / "1").mkdir(parents=True)
        (tmp_path / "train" / "1" / "1" / "1-1.trans.txt").write_bytes(content)
    code, rows = run("--data", tmp_path)
    assert code == 2
    assert rows["data"].startswith("fail")


def test_vocabulary_must_spell_the_data(corpus, tmp_path):
    (finding,) = list(data_checks.check_data(corpus, tmp_path))[1:]
    assert (finding.status, finding.subject) == ("fail", "characters")
    Vocabulary.from_texts(["ONE TW"]).save(tmp_path / "vocabulary.txt")
    assert list(data_checks.check_data(corpus, tmp_path))[1].status == "ok"
    Vocabulary.from_texts(["ONE T"]).save(tmp_path / "vocabulary.txt")
    (finding,) = list(data_checks.check_data(corpus, tmp_path))[1:]
    assert finding.status == "fail"
    assert finding.detail.endswith(": W")


def test_folder_that_is_no_model_fails(tmp_path):
    code, rows = run("--model", tmp_path)
    assert code == 2
    assert rows["model"].startswith("fail")


def test_trained_model_is_loaded_and_compared_with_the_data(trained_run, corpus):
    code, rows = run("--model", trained_run)
    assert code == 0
    assert rows["model"].startswith("ok 0.0 M parameters")
    code, rows = run("--model", trained_run, "--data", corpus)
    assert code == 2
    assert rows["characters"].startswith("fail unknown to the model: ENOTW")


def test_missing_optional_parts_are_distinguished_from_needed_ones(monkeypatch):
    # None in sys.modules makes the import fail
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    code, rows = run()
    assert code == 0
    assert rows["espeak"].startswith("warn")
    assert "lact-asr[demo]" in rows["espeak"]
    monkeypatch.setitem(sys.modules, "flashlight.lib.text.decoder.kenlm", None)
    code, rows = run()
    assert code == 0
    assert rows["beam"].startswith("search warn")
    assert "docs/installation.md" in rows["beam"]
