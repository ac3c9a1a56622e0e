"""Test-time training from the command line."""

import json
import re

import pytest

from lact_modules.adaptation.gate import CleanStatistics
from lact_modules.adaptation.methods import METHODS

SELF_TRAIN = ["--ttt", "self-train", "--ttt-chunk", 0.4]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_scores_and_reports(
    method, lact_asr, trained_run, split, tmp_path
):
    output = tmp_path / "scores.json"
    finished = lact_asr(
        *("evaluate", "--model", trained_run, "--data", split, "--json", output),
        *("--ttt", method, "--ttt-steps", 1),
    )
    assert finished.code == 0
    assert "test-time training of 3 utterances" in finished.err
    report = json.loads(output.read_text())["ttt"]
    assert report["method"] == method
    assert report["utterances"] == 3
    assert 0 <= report["kept_unadapted"] <= 3


def test_options_reach_the_adapter(lact_asr, trained_run, split, tmp_path):
    output = tmp_path / "scores.json"
    finished = lact_asr(
        *("evaluate", "--model", trained_run, "--data", split, "--json", output),
        *("--ttt", "lact", "--ttt-params", "norms,front_end", "--ttt-lr", 0.001),
        *("--ttt-optimizer", "adamw", "--ttt-mode", "continual", "--ttt-chunk", 0.4),
    )
    assert finished.code == 0
    report = json.loads(output.read_text())["ttt"]
    assert report["parameters"] == ["norms", "front_end"]
    assert report["utterances"] > 3


def test_transcribes_after_adaptation(lact_asr, trained_run, split):
    finished = lact_asr("transcribe", "--model", trained_run, split, "--ttt", "lact")
    assert finished.code == 0
    assert len(finished.out.splitlines()) == 3
    assert "test-time training of 3 utterances" in finished.err


def test_a_recording_is_learned_from_in_chunks_too(
    lact_asr, streaming_run, audio_folder, monkeypatch
):
    command = ["transcribe", "--model", streaming_run, audio_folder, "--chunk", 0.32]
    learning = [*SELF_TRAIN, "--ttt-lr", 0.02, "--ttt-steps", 2]
    finished = lact_asr(*command, *learning)
    assert finished.code == 0
    assert "test-time training of 10 utterances" in finished.err
    assert len(finished.out.splitlines()) == 10
    assert finished.out != lact_asr(*command).out
    # long audio stays on disk, is read several times, and the text is the same
    monkeypatch.setattr("lact_modules.inference.model_runner.MAX_WHOLE_SECONDS", 1.0)
    again = lact_asr(*command, *learning)
    assert (again.code, again.out) == (0, finished.out)


def test_a_stream_is_learned_from_while_it_is_recognized(
    lact_asr, streaming_run, audio_folder
):
    # 2.1 s
    source = max(audio_folder.iterdir(), key=lambda path: path.stat().st_size)
    command = ["stream", "--model", streaming_run, source, "--chunk", 0.32]
    finished = lact_asr(*command, *SELF_TRAIN, "--ttt-lr", 0.01)
    assert finished.code == 0
    assert "test-time training of 5 utterances" in finished.err
    assert finished.out != lact_asr(*command).out


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--ttt", "lact"], "only --ttt self-train"),
        ([*SELF_TRAIN, "--save-state", "state"], "--ttt: a saved stream"),
        ([*SELF_TRAIN, "--precision", "bf16"], "precision bf16"),
        (["--ttt-lr", 1], "--ttt METHOD"),
    ],
)
def test_what_a_stream_cannot_learn_is_one_line(
    lact_asr, streaming_run, audio_folder, options, named, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    source = audio_folder / "noise-0.flac"
    finished = lact_asr("stream", "--model", streaming_run, source, *options)
    assert (finished.code, finished.out) == (2, "")
    assert finished.err.count("\n") == 1
    assert named in finished.err
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--ttt", "self-train", "--ttt-params", "input"], "input.*take others"),
        (["--ttt-steps", 1], "--ttt METHOD"),
        (["--ttt", "hope"], "hope"),
        (["--ttt", "lact", "--ttt-loss", "hope"], "hope"),
        (["--ttt", "lact", "--ttt-loss", "masked_prediction"], "enable_ttt"),
    ],
)
def test_what_is_wrong_is_one_line(lact_asr, trained_run, split, options, named):
    finished = lact_asr("transcribe", "--model", trained_run, split, *options)
    assert finished.code == 2
    assert re.search(named, finished.err.splitlines()[-1])


def test_an_export_keeps_the_statistics(lact_asr, run_copy, tmp_path):
    statistics = CleanStatistics((0.7, 0.1), (0.9, 0.1))
    statistics.save(run_copy / CleanStatistics.file_name)
    assert lact_asr("export", run_copy, tmp_path / "export").code == 0
    copied = CleanStatistics.load(tmp_path / "export" / CleanStatistics.file_name)
    assert copied == statistics
