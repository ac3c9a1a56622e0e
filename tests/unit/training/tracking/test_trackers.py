import sys
from types import ModuleType, SimpleNamespace

import pytest
import soundfile
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lact_modules.errors import InputError
from lact_modules.training.tracking.trackers import make_trackers, plain_settings

SETTINGS = {
    "seed": 1,
    "learning_rate": 0.1,
    "in_memory": True,
    "lm": None,
    "model": torch.nn.Identity(),
    "splits": ["a", "b"],
    "data_folder": "/home/me/LibriSpeech",
    "decoding": {"beam_size": 5, "rescore": {"weight": 0.5}},
}
SHOWN = {
    "seed": 1,
    "learning_rate": 0.1,
    "in_memory": True,
    "splits": "a, b",
    "decoding.beam_size": 5,
    "decoding.rescore.weight": 0.5,
}
SIGNAL = torch.linspace(-0.5, 0.5, 1600)


def show_all(tracker, step):
    tracker.show_numbers(step, {"train/loss": 10 / step, "train/lr/blocks[0]": 0.1})
    tracker.show_text(step, "sample", "reference: ONE\nhypothesis: TEN")
    tracker.show_audio(step, "worst/1", SIGNAL, "1-2, WER 100 %")


def test_settings_are_what_can_be_shown():
    assert plain_settings(SETTINGS) == SHOWN


def test_a_tracker_that_is_none():
    with pytest.raises(InputError, match="'wanb' unknown; choose from tensorboard"):
        make_trackers(["tensorboard", "wanb"], "folder", {})


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_a_package_that_is_missing(name, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InputError, match=rf"pip install 'lact-asr\[{name}\]'"):
        make_trackers([name], tmp_path, {})


def test_tensorboard_shows_all_and_continues(tmp_path):
    for step in (10, 20):
        [tracker] = make_trackers(["tensorboard"], tmp_path, SETTINGS)
        show_all(tracker, step)
        tracker.close()
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    points = [(event.step, event.value) for event in events.Scalars("train/loss")]
    assert points == [(10, pytest.approx(1.0)), (20, pytest.approx(0.5))]
    assert [event.step for event in events.Audio("worst/1")] == [10, 20]
    assert events.Audio("worst/1")[0].sample_rate == 16000
    [_, text] = events.Tensors("sample/text_summary")
    assert b"hypothesis: TEN" in text.tensor_proto.string_val[0]
    data = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    assert b"decoding.beam_size" in data


class WandBRun:
    def __init__(self, options):
        self.options = options
        self.id = options["id"] or "fresh"
        self.logged, self.settings, self.is_finished = [], {}, False
        self.config = self

    def update(self, settings, allow_val_change):
        self.settings |= settings

    def define_metric(self, *names, step_metric):
        self.step_metric = step_metric

    def log(self, values):
        self.logged.append(values)

    def finish(self):
        self.is_finished = True


@pytest.fixture
def wandb(monkeypatch):
    module = ModuleType("wandb")
    module.runs = []
    module.Error = type("Error", (Exception,), {})
    module.Settings = dict
    module.Table = SimpleNamespace
    module.Audio = lambda samples, sample_rate, caption: (len(samples), caption)

    def init(**options):
        module.runs.append(WandBRun(options))
        return module.runs[-1]

    module.init = init
    monkeypatch.setitem(sys.modules, "wandb", module)
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    return module


def test_wandb_shows_all_and_continues_its_run(wandb, tmp_path):
    for step in (10, 20):
        [tracker] = make_trackers(["wandb"], tmp_path, SETTINGS)
        show_all(tracker, step)
        tracker.close()
    first, second = wandb.runs
    assert first.options["id"] is None
    assert second.options["id"] == "fresh"
    assert second.options["resume"] == "allow"
    assert first.options["project"] == "lact-asr"
    assert first.settings == SHOWN
    numbers, text, audio = second.logged
    assert numbers == {"step": 20, "train/loss": 0.5, "train/lr/blocks[0]": 0.1}
    assert text["sample"].data == [[20, "reference: ONE\nhypothesis: TEN"]]
    assert audio["worst/1"] == (len(SIGNAL), "1-2, WER 100 %")
    assert second.step_metric == "step"
    assert first.is_finished


def test_wandb_without_a_login(wandb, tmp_path):
    def refuse(**options):
        raise wandb.Error("api_key not configured\nmore")

    wandb.init = refuse
    with pytest.raises(InputError, match=r"api_key not configured; .*WANDB_MODE") as e:
        make_trackers(["wandb"], tmp_path, {})
    assert "\n" not in str(e.value)


class MLflowClient:
    """Checks names and parameters as the real one does."""

    def __init__(self, store):
        self.stores.append(store)

    def get_experiment_by_name(self, name):
        return None

    def create_experiment(self, name, artifact_location):
        return "7"

    def create_run(self, experiment_id, run_name):
        self.runs["r1"] = SimpleNamespace(
            info=SimpleNamespace(run_id="r1"),
            data=SimpleNamespace(params={}),
            status="RUNNING",
            points=[],
            artifacts={},
        )
        return self.runs["r1"]

    def get_run(self, run_id):
        return self.runs[run_id]

    def update_run(self, run_id, status):
        self.runs[run_id].status = status

    def log_param(self, run_id, name, value):
        assert name not in self.runs[run_id].data.params
        self.runs[run_id].data.params[name] = value

    def log_batch(self, run_id, metrics):
        assert not any("[" in name for name, *_ in metrics)
        self.runs[run_id].points += metrics

    def log_text(self, run_id, text, path):
        self.runs[run_id].artifacts[path] = text

    def log_artifact(self, run_id, path, folder):
        self.runs[run_id].artifacts[folder] = soundfile.info(path)

    def set_terminated(self, run_id):
        self.runs[run_id].status = "FINISHED"


@pytest.fixture
def mlflow(monkeypatch):
    MLflowClient.stores, MLflowClient.runs = [], {}
    modules = {
        "mlflow": {"MlflowClient": MLflowClient},
        "mlflow.entities": {"Metric": lambda *arguments: arguments},
        "mlflow.exceptions": {"MlflowException": type("Refusal", (Exception,), {})},
    }
    for name, contents in modules.items():
        module = ModuleType(name)
        vars(module).update(contents)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return MLflowClient


def test_mlflow_shows_all_and_continues_its_run(mlflow, tmp_path):
    for step in (10, 20):
        [tracker] = make_trackers(["mlflow"], tmp_path, {**SETTINGS, "seed": step})
        show_all(tracker, step)
        assert mlflow.runs["r1"].status == "RUNNING"
        tracker.close()
    [run] = mlflow.runs.values()
    # what a run began with cannot be changed
    assert run.data.params == {**SHOWN, "seed": 10}
    points = [(name, value, step) for name, value, _, step in run.points]
    assert points[::2] == [("train/loss", 1.0, 10), ("train/loss", 0.5, 20)]
    assert run.artifacts["sample/0000020.txt"] == "reference: ONE\nhypothesis: TEN"
    assert run.artifacts["worst/1/0000020.txt"] == "1-2, WER 100 %"
    assert run.artifacts["worst/1"].samplerate == 16000
    assert run.status == "FINISHED"
    assert mlflow.stores == [f"sqlite:///{tmp_path}/mlflow.db"] * 2


def test_mlflow_writes_to_the_server_that_the_environment_names(
    mlflow, tmp_path, monkeypatch
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    make_trackers(["mlflow"], tmp_path, {})
    assert mlflow.stores == [None]


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_the_real_package_works_without_a_network(name, tmp_path, monkeypatch):
    pytest.importorskip(name)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for step in (10, 20):
        [tracker] = make_trackers([name], tmp_path, SETTINGS)
        show_all(tracker, step)
        tracker.close()
    assert any(tmp_path.rglob("*.wav"))
