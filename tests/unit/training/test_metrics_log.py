import json
import math

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lact_modules.training.metrics_log import MetricsLog


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


def test_values_that_are_no_numbers_are_left_out(tmp_path):
    MetricsLog(tmp_path).log("train", 1, 1 / 3, loss=math.nan, lr=0.1, norm=math.inf)
    assert read(tmp_path) == [{"step": 1, "epoch": 0.3333, "split": "train", "lr": 0.1}]


def test_tensorboard_shows_the_same(tmp_path):
    log = MetricsLog(tmp_path)
    for step in (10, 20):
        log.log("train", step, 0.0, loss=100 / step)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    points = [(event.step, event.value) for event in events.Scalars("train/loss")]
    assert points == [(10, pytest.approx(10.0)), (20, pytest.approx(5.0))]
