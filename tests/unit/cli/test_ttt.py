"""Test-time training from the command line."""

import json

import pytest

from lact_modules.adaptation.gate import CleanStatistics
from lact_modules.adaptation.methods import METHODS


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
    told = json.loads(output.read_text())["ttt"]
    assert told["method"] == method
    assert told["utterances"] == 3
    assert 0 <= told["kept_unadapted"] <= 3


def test_options_reach_the_adapter(lact_asr, trained_run, split, tmp_path):
    output = tmp_path / "scores.json"
    finished = lact_asr(
        *("evaluate", "--model", trained_run, "--data", split, "--json", output),
        *("--ttt", "lact", "--ttt-params", "norms,front_end", "--ttt-lr", 0.001),
        *("--ttt-optimizer", "adamw", "--ttt-mode", "continual", "--ttt-chunk", 0.4),
    )
    assert finished.code == 0
    told = json.loads(output.read_text())["ttt"]
    assert told["parameters"] == ["norms", "front_end"]
    assert told["utterances"] > 3


def test_transcribes_after_adaptation(lact_asr, trained_run, split):
    finished = lact_asr("transcribe", "--model", trained_run, split, "--ttt", "lact")
    assert finished.code == 0
    assert len(finished.out.splitlines()) == 3
    assert "test-time training of 3 utterances" in finished.err


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--ttt-steps", 1], "--ttt METHOD"),
        (["--ttt", "hope"], "hope"),
        (["--ttt", "lact", "--ttt-loss", "hope"], "hope"),
        (["--ttt", "lact", "--ttt-loss", "masked_prediction"], "enable_ttt"),
    ],
)
def test_what_is_wrong_is_one_line(lact_asr, trained_run, split, options, named):
    finished = lact_asr("transcribe", "--model", trained_run, split, *options)
    assert finished.code == 2
    assert named in finished.err.splitlines()[-1]


def test_an_export_keeps_the_statistics(lact_asr, run_copy, tmp_path):
    statistics = CleanStatistics((0.7, 0.1), (0.9, 0.1))
    statistics.save(run_copy / CleanStatistics.file_name)
    assert lact_asr("export", run_copy, tmp_path / "export").code == 0
    copied = CleanStatistics.load(tmp_path / "export" / CleanStatistics.file_name)
    assert copied == statistics
