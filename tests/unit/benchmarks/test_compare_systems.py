"""The order of trainings, with a recipe that takes no time."""

import json
import time
from pathlib import Path

import pytest

from lact_modules.errors import InputError

ROOT = Path(__file__).parents[3]
STUDIES = sorted((ROOT / "benchmarks" / "studies").glob("*.yaml"))

# Trains at once; fails for system "bad", does not end for system "slow".
RECIPE = """
import json, sys, time
from pathlib import Path

folder = Path(sys.argv[2].partition("=")[2])
system = Path(sys.argv[1]).stem
if system == "bad":
    sys.exit(2)
if system == "slow":
    time.sleep(60)
with open(folder / "metrics.jsonl", "a") as log:
    log.write(json.dumps({"split": "dev", "epoch": 1, "wer": 50.0}) + "\\n")
(folder / "options.json").write_text(json.dumps(sys.argv[3:]))
(folder / "result.json").write_text("{}")
"""


@pytest.fixture
def train(load_benchmark, tmp_path, monkeypatch):
    trainings_of = load_benchmark("trainings")
    monkeypatch.setattr(trainings_of, "POLL_S", 0.02)
    (tmp_path / "train.py").write_text(RECIPE)

    def run(*systems, jobs=1, limit_s=30.0, options=("--x=1",)):
        trainings = [
            trainings_of.Training(
                trainings_of.System(
                    system, tmp_path / "hparams" / f"{system}.yaml", ("--y=2",)
                ),
                *(1, tmp_path, options),
            )
            for system in systems
        ]
        trainings_of.train(trainings, jobs, time.monotonic() + limit_s)
        return trainings

    return run


def test_trains_one_after_the_other_with_the_same_options(train, capsys):
    for training in train("a", "b"):
        options = json.loads((training.folder / "options.json").read_text())
        system = f"--system={training.system.name}"
        assert options == ["--seed=1", system, "--noprogressbar", "--x=1", "--y=2"]
    *lines, last = capsys.readouterr().out.splitlines()
    news = ["started", "epoch 1, dev WER 50.00 %", "done"]
    messages = [line.split(maxsplit=1)[1] for line in lines]
    assert messages == [f"{system}_1: {what}" for system in "ab" for what in news]
    assert last == "2 of 2 runs are done"


def test_what_has_ended_is_left_alone(train, capsys):
    train("a")
    capsys.readouterr()
    train("a", "b", options=["--x=3"])
    output = capsys.readouterr().out
    assert "a_1" not in output
    assert "b_1: done" in output


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


def test_demonstration_systems_are_of_one_size(load_benchmark, capsys):
    benchmark = load_benchmark("compare_systems")
    systems = benchmark.read_systems(benchmark.SYSTEMS, "LibriSpeech/ASR/CTC")
    benchmark.check_sizes(systems, ["--data_folder=none", "--d_model=96"])
    output = capsys.readouterr().out
    assert all(f"{system.name}: " in output for system in systems)


def test_systems_of_other_sizes_are_refused(load_benchmark):
    benchmark = load_benchmark("compare_systems")
    systems = benchmark.read_systems("lact_demo,lact_base", "LibriSpeech/ASR/CTC")
    with pytest.raises(InputError, match="lact_demo"):
        benchmark.check_sizes(systems, ["--data_folder=none"])


def test_systems_of_a_file_have_options_of_their_own(
    load_benchmark, tmp_path, monkeypatch
):
    monkeypatch.setenv("RATE", "0.1")
    listed = tmp_path / "systems.yaml"
    listed.write_text("slow: {model: lact_demo, options: [--learning_rate=$RATE]}")
    trainings = load_benchmark("trainings")
    (system,) = trainings.read_systems(str(listed), "CommonVoice/ASR/CTC")
    assert (system.name, system.options) == ("slow", ("--learning_rate=0.1",))
    assert (system.recipe / "train.py").is_file()


def test_options_of_a_system_are_taken_instead_of_those_of_all(load_benchmark):
    trainings = load_benchmark("trainings")
    system = trainings.System(
        "wide", Path("demo.yaml"), ("--d_model", "80", "--rate=-1")
    )
    shared = ("--d_model=96", "--rate", "1", "--seed=2")
    assert system.settings(shared) == ["--d_model", "80", "--rate=-1", "--seed=2"]


def test_an_unknown_system_is_named(load_benchmark):
    with pytest.raises(InputError, match=r"no_demo\.yaml: no such file"):
        load_benchmark("trainings").read_systems("no_demo", "LibriSpeech/ASR/CTC")


@pytest.mark.parametrize("study", STUDIES, ids=lambda path: path.stem)
def test_studies_are_of_one_size(load_benchmark, study, monkeypatch):
    monkeypatch.setenv("INIT_FROM", "none")
    benchmark = load_benchmark("compare_systems")
    systems = benchmark.read_systems(str(study), "LibriSpeech/ASR/CTC")
    benchmark.check_sizes(systems, ["--d_model=96"])
