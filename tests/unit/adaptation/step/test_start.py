"""A start point that follows, and lets go when speech changes."""

import pytest
import torch

from lact_modules.adaptation.step.start import SlowStart

MODEL = {"w": torch.zeros(2)}
LOSSES = [1.0, 1.1, 0.9, 1.05, 0.95, 1.0, 1.1, 0.9]


def follow(start, losses, value=1.0):
    for loss in losses:
        start.follow(MODEL, {"w": torch.full((2,), value)}, loss)


def test_moves_by_its_rate():
    start = SlowStart(rate=0.25)
    follow(start, [1.0])
    assert start.point["w"].tolist() == [0.25, 0.25]
    follow(start, [1.0])
    assert start.point["w"].tolist() == pytest.approx([0.4375, 0.4375])


def test_a_rise_and_a_fall_of_the_loss_are_shifts():
    for change in (0.5, -0.5):
        start = SlowStart()
        follow(start, LOSSES)
        assert start.num_resets == 0
        follow(start, [loss + change for loss in LOSSES[:5]])
        assert start.num_resets == 1
        # continues from the model
        assert len(start.losses) < 5


def test_what_stays_as_it_was_is_no_shift():
    start = SlowStart()
    follow(start, LOSSES * 10)
    assert start.num_resets == 0


def test_without_a_threshold_nothing_is_a_shift():
    start = SlowStart(threshold=float("inf"))
    follow(start, LOSSES + [9.0] * 9)
    assert start.num_resets == 0
