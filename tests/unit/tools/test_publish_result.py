import json
import subprocess
import sys
from pathlib import Path

import pytest

from lact_modules.training.outcome.result import write_result
from tools.publish_result import publish, publish_comparison, publish_studies

SCRIPT = Path(__file__).resolve().parents[3] / "tools" / "publish_result.py"


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    write_result(
        folder / "result.json",
        {},
        recipe="LibriSpeech/ASR/CTC",
        model="lact_demo",
        dataset="My Digits",
        parameters=1,
        seed=1,
        command=["train.py"],
    )
    (folder / "hyperparams.yaml").write_text("data_folder: /home/me/data/digits\n")
    (folder / "train_log.txt").write_text("epoch: 1\n")
    return folder


def test_names_the_folder_and_no_folder_of_the_machine(run, tmp_path):
    folder = publish(run, tmp_path / "results")
    date = json.loads((run / "result.json").read_text())["date"][:10]
    assert folder.name.startswith("my-digits_ctc_lact_demo_")
    assert folder.name.endswith(f"_{date}")
    assert " " not in folder.name
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["hparams.yaml", "result.json", "train_log.txt"]
    assert (folder / "hparams.yaml").read_text() == "data_folder: digits\n"
    assert (folder / "result.json").read_text() == (run / "result.json").read_text()


def test_data_without_a_name_are_not_published(run, tmp_path):
    result = json.loads((run / "result.json").read_text())
    (run / "result.json").write_text(json.dumps({**result, "dataset": None}))
    words = [sys.executable, SCRIPT, run, "--results", tmp_path / "results"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 1
    assert "with --dataset_name NAME" in done.stderr
    assert not (tmp_path / "results").exists()


def test_incomplete_run_publishes_nothing(run, tmp_path):
    (run / "train_log.txt").unlink()
    with pytest.raises(FileNotFoundError):
        publish(run, tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_comparison_comes_with_its_runs(run, tmp_path):
    comparison = tmp_path / "comparison"
    comparison.mkdir()
    run.rename(comparison / "lact_1")
    page = "<p>no </p> /path is cut</p>"
    (comparison / "compare.html").write_text(page)
    systems = [{"runs": [{"folder": "lact_1"}]}]
    (comparison / "compare.json").write_text(json.dumps({"systems": systems}))
    folder = publish_comparison(comparison, tmp_path / "results")
    assert folder.name.startswith("my-digits_ctc_comparison_")
    named = publish_comparison(comparison, tmp_path / "results", "chunks")
    assert named.name.startswith("my-digits_ctc_chunks_")
    assert (folder / "compare.html").read_text() == page
    names = sorted(path.name for path in (folder / "lact_1").iterdir())
    assert names == ["hparams.yaml", "result.json", "train_log.txt"]
    assert (folder / "lact_1" / "hparams.yaml").read_text() == "data_folder: digits\n"


def test_studies_stand_in_one_folder(run, tmp_path):
    for name in ("losses", "stream"):
        (tmp_path / "studies" / name).mkdir(parents=True)
        found = {**json.loads((run / "result.json").read_text()), "group": "streaming"}
        path = tmp_path / "studies" / name / "result.json"
        path.write_text(json.dumps(found))
    folder = publish_studies(tmp_path / "studies", tmp_path / "results")
    assert folder.name.startswith("my-digits_ctc_lact_demo_streaming_")
    named = publish_studies(tmp_path / "studies", tmp_path / "results", "early")
    assert named.name.startswith("my-digits_ctc_early_")
    assert sorted(path.name for path in folder.iterdir()) == ["losses", "stream"]


def test_the_missing_file_of_an_unfinished_run_is_named(tmp_path):
    command = [sys.executable, SCRIPT, tmp_path, "--results", tmp_path / "results"]
    finished = subprocess.run(command, capture_output=True, text=True)
    assert finished.returncode
    assert finished.stderr.startswith(f"{tmp_path / 'result.json'}: missing")
