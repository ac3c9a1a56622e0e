import json
import shutil

import pytest

from lact_modules.scoring.error_rate import score
from lact_modules.scoring.transcripts import write_transcripts
from lact_modules.training.outcome.result import write_result

SAID = ["ONE TWO THREE", "FOUR FIVE", "SIX"]


@pytest.fixture
def make_run(tmp_path):
    def make(model, seed, hypotheses, num_epochs=20):
        folder = tmp_path / f"{model}_{seed}"
        folder.mkdir()
        (folder / "hyperparams.yaml").write_text(f"num_epochs: {num_epochs}\n")
        entry = {"step": 9, "split": "dev", "loss": 1.0, "wer": 50.0, "training_s": 3}
        (folder / "metrics.jsonl").write_text(json.dumps(entry) + "\n")
        write_transcripts(folder / "transcripts_test.jsonl", "abc", SAID, hypotheses)
        rates = {**vars(score(SAID, hypotheses)), "rtf": 0.1}
        write_result(
            folder / "result.json",
            {"test": {"greedy": rates}},
            recipe="LibriSpeech/ASR/CTC",
            model=model,
            dataset="digits",
            parameters=1,
            seed=seed,
            command=["train.py"],
            training_wall_s=3.0,
        )
        return folder

    return make


@pytest.fixture
def runs(make_run):
    hypotheses = ["ONE TWO TEN", "FOUR FIVE", "SIX"]
    return [
        make_run(model, seed, texts)
        for model, texts in (("lact_demo", SAID), ("conformer_demo", hypotheses))
        for seed in (1, 2)
    ]


def test_prints_scores_and_writes_page_and_json(lact_asr, runs, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    out = tmp_path / "out"
    finished = lact_asr("compare", *runs, "--output", out)
    assert finished.code == 0
    rows = [line for line in finished.out.splitlines() if "conformer_demo" in line]
    assert "16.67" in rows[0]
    assert "+16.67" in rows[1]
    assert (out / "compare.html").read_text().startswith("<!DOCTYPE html>")
    data = json.loads((out / "compare.json").read_text())
    wers = [score["wer"] for score in data["trials"][0]["scores"]]
    assert wers == pytest.approx([0.0, 100 / 6])


def test_shouts_where_budgets_differ(lact_asr, make_run, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    runs = make_run("a", 1, SAID), make_run("b", 1, SAID, num_epochs=26)
    finished = lact_asr("compare", *runs, "--output", tmp_path / "out")
    assert "NOT THE SAME BUDGET: NUM_EPOCHS 20 / 26" in finished.out
    assert "CAUTION: not the same budget: num_epochs 20 / 26" in finished.out


def test_a_fault_leaves_no_report(lact_asr, runs, tmp_path):
    (runs[0] / "result.json").unlink()
    finished = lact_asr("compare", *runs, "--output", tmp_path / "out")
    assert finished.code == 2
    assert "result.json: no such file" in finished.err
    assert finished.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--splits", "dev"], "not tested on 'dev'"),
        (["--benchmarks", "none.json"], "none.json: no such file"),
    ],
)
def test_names_what_is_missing(lact_asr, runs, tmp_path, arguments, message):
    finished = lact_asr("compare", *runs, "--output", tmp_path / "out", *arguments)
    assert finished.code == 2
    assert message in finished.err


def test_one_run_twice_is_refused(lact_asr, runs, tmp_path):
    copy = shutil.copytree(runs[0], tmp_path / "copy")
    finished = lact_asr("compare", runs[0], copy, "--output", tmp_path / "out")
    assert finished.code == 2
    assert "seed 1" in finished.err
