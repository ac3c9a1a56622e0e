import json
import math

import pytest
import torch

from lact_modules.training.tracking.metrics_log import MetricsLog, open_log


class FakeTracker:
    """A tracker that keeps what it was given, and may fail."""

    def __init__(self, fails=False):
        self.shown = []
        self.fails = fails

    def show_numbers(self, step, values):
        if self.fails:
            raise ConnectionError("no server")
        self.shown.append((step, dict(values)))

    def show_text(self, step, name, text):
        self.shown.append((step, name, text))

    def show_audio(self, step, name, signal, caption):
        self.shown.append((step, name, signal.dtype, len(signal), caption))

    def close(self):
        self.shown.append("closed")


def read(folder):
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_lines_are_appended_over_several_runs(tmp_path):
    MetricsLog(tmp_path).log("train", 1, 0.5, loss=3.0, lr=1e-3)
    log = MetricsLog(tmp_path)
    log.log("train", 2, 1.0, loss=2.0, lr=1e-3)
    log.log("dev", 2, 1.0, loss=2.5, wer=90.0)
    assert read(tmp_path) == [
        {"step": 1, "epoch": 0.5, "split": "train", "loss": 3.0, "lr": 1e-3},
        {"step": 2, "epoch": 1.0, "split": "train", "loss": 2.0, "lr": 1e-3},
        {"step": 2, "epoch": 1.0, "split": "dev", "loss": 2.5, "wer": 90.0},
    ]


def test_what_came_after_a_checkpoint_is_taken_back(tmp_path):
    log = MetricsLog(tmp_path)
    assert log.size() == 0
    log.cut(0)
    log.log("train", 1, 0.5, loss=3.0)
    size = log.size()
    log.log("train", 2, 1.0, loss=2.0)
    for _ in range(2):
        MetricsLog(tmp_path).cut(size)
        assert [entry["step"] for entry in read(tmp_path)] == [1]
    # a log that was made anew since then is left alone
    log.cut(10**6)
    assert len(read(tmp_path)) == 1


def test_values_that_are_no_numbers_are_left_out(tmp_path):
    tracker = FakeTracker()
    log = MetricsLog(tmp_path, [tracker])
    log.log("train", 1, 1 / 3, loss=math.nan, lr=0.1, norm=math.inf)
    assert read(tmp_path) == [{"step": 1, "epoch": 0.3333, "split": "train", "lr": 0.1}]
    assert tracker.shown == [(1, {"train/lr": 0.1})]


def test_trackers_are_shown_everything(tmp_path):
    trackers = [FakeTracker(), FakeTracker()]
    log = MetricsLog(tmp_path, trackers)
    log.show_text(1, "sample", "ONE")
    log.show_audio(1, "worst/1", torch.zeros(8, dtype=torch.float64), "a")
    log.close(2, {"test": {"greedy": {"wer": 2.5, "wer_interval": (1.0, 3.0)}}})
    assert trackers[0].shown == [
        (1, "sample", "ONE"),
        (1, "worst/1", torch.float32, 8, "a"),
        (2, {"test/greedy/wer": 2.5}),
        "closed",
    ]
    assert trackers[1].shown == trackers[0].shown


def test_a_tracker_that_fails_stops_nothing(tmp_path, caplog):
    broken, whole = FakeTracker(fails=True), FakeTracker()
    log = MetricsLog(tmp_path, [broken, whole])
    for step in (1, 2):
        log.log("train", step, 0.5, loss=3.0)
    assert [entry["step"] for entry in read(tmp_path)] == [1, 2]
    assert [step for step, _ in whole.shown] == [1, 2]
    assert caplog.text.count("FakeTracker fails (no server)") == 1


@pytest.mark.parametrize("trackers", [[], ["tensorboard"], "tensorboard"])
def test_a_run_has_the_trackers_that_it_names(tmp_path, trackers):
    open_log(tmp_path, trackers, {"seed": 1}).log("train", 1, 0.5, loss=3.0)
    assert len(read(tmp_path)) == 1
    assert (tmp_path / "tensorboard").exists() == bool(trackers)
