"""The order of trainings, with a recipe that takes no time."""

import importlib.util
import json
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

# Trains at once; fails for arm "bad", does not end for arm "slow".
RECIPE = """
import json, sys, time
from pathlib import Path

folder = Path(sys.argv[2].partition("=")[2])
arm = Path(sys.argv[1]).stem
if arm == "bad":
    sys.exit(2)
if arm == "slow":
    time.sleep(60)
with open(folder / "metrics.jsonl", "a") as log:
    log.write(json.dumps({"split": "dev", "epoch": 1, "wer": 50.0}) + "\\n")
(folder / "options.json").write_text(json.dumps(sys.argv[3:]))
(folder / "result.json").write_text("{}")
"""


@pytest.fixture(scope="module")
def benchmark():
    path = ROOT / "benchmarks" / "compare_arms.py"
    spec = importlib.util.spec_from_file_location("compare_arms", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.POLL_S = 0.02
    return module


@pytest.fixture
def train(benchmark, tmp_path, monkeypatch):
    (tmp_path / "train.py").write_text(RECIPE)
    monkeypatch.setattr(benchmark, "RECIPE", tmp_path)

    def run(*arms, jobs=1, limit_s=30.0):
        trainings = [benchmark.Training(arm, 1, tmp_path) for arm in arms]
        benchmark.train(trainings[:], ["--x=1"], jobs, time.monotonic() + limit_s)
        return trainings

    return run


def test_trains_one_after_the_other_with_the_same_options(train, capsys):
    for training in train("a", "b"):
        options = json.loads((training.folder / "options.json").read_text())
        assert options == ["--seed=1", "--noprogressbar", "--x=1"]
    told = [line.split(maxsplit=1)[1] for line in capsys.readouterr().out.splitlines()]
    news = ["started", "epoch 1, dev WER 50.00 %", "done"]
    assert told == [f"{arm}_1: {what}" for arm in "ab" for what in news]


def test_a_broken_training_does_not_stop_the_others(train, capsys):
    bad, good = train("bad", "good", jobs=2)
    assert not bad.result.exists()
    assert good.result.exists()
    assert f"bad_1: FAILED, see {bad.console}" in capsys.readouterr().out


def test_stops_when_time_is_up(train, capsys):
    started = time.monotonic()
    (slow,) = train("slow", limit_s=0.5)
    assert time.monotonic() - started < 20
    assert slow.process.poll() is not None
    assert "slow_1: stopped" in capsys.readouterr().out


def test_demonstration_arms_are_of_one_size(benchmark, capsys):
    arms = benchmark.ARMS.split(",")
    benchmark.check_sizes(arms, ["--data_folder=none", "--d_model=96"])
    told = capsys.readouterr().out
    assert all(f"{arm}: " in told for arm in arms)


def test_arms_of_other_sizes_are_refused(benchmark):
    with pytest.raises(SystemExit, match="lact_demo"):
        benchmark.check_sizes(["lact_demo", "lact_base"], ["--data_folder=none"])
