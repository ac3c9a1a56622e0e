import json
import math

import pytest

from lact_modules.errors import InputError
from lact_modules.training.optimizer.rate_curve import (
    RateCurve,
    check_curve,
    draw_curve,
    rising_rates,
    write_curve,
)

RATES = rising_rates(1e-6, 10.0, 141)


def make_curve(fall, blow_up=math.inf, noise=0.0):
    """Losses that fall around one rate, and blow up at another."""
    losses = [
        3 - 2 / (1 + (fall / rate) ** 2) + (rate / blow_up) ** 2 + noise * (-1) ** i
        for i, rate in enumerate(RATES)
    ]
    return RateCurve(RATES, losses)


@pytest.mark.parametrize("noise", [0.0, 0.3])
@pytest.mark.parametrize("fall", [1e-4, 1e-2])
def test_the_loss_falls_fastest_where_it_does(fall, noise):
    curve = make_curve(fall, blow_up=100 * fall, noise=noise)
    assert curve.steepest == pytest.approx(fall, rel=0.3)
    assert 3 * fall < curve.lowest < 30 * fall
    assert fall * 0.7 < curve.suggestion < curve.lowest
    assert not curve.still_falls


def test_a_tenth_of_the_lowest_where_the_fall_comes_early():
    curve = make_curve(1e-5, blow_up=10.0)
    assert curve.suggestion == pytest.approx(curve.lowest / 10, rel=0.05)
    assert curve.suggestion > 2 * curve.steepest


def test_nothing_is_suggested_where_the_loss_only_rises():
    curve = RateCurve(RATES, [1 + 0.1 * i for i in range(len(RATES))])
    assert curve.steepest is None
    assert curve.suggestion is None


def test_a_fall_without_end_is_reported():
    assert make_curve(10.0).still_falls


def test_too_few_steps_have_no_suggestion():
    with pytest.raises(InputError, match="--find_lr: the loss diverged within 5 steps"):
        check_curve(RateCurve(RATES[:5], [1.0] * 5))


def test_files_hold_all_that_was_found(tmp_path):
    curve = make_curve(1e-3, blow_up=0.1)
    write_curve(curve, tmp_path / "curve.json")
    draw_curve(curve, tmp_path / "curve.svg")
    content = json.loads((tmp_path / "curve.json").read_text())
    assert content["suggestion"] == curve.suggestion
    assert content["learning_rates"] == RATES
    assert len(content["smooth_losses"]) == len(content["losses"]) == len(RATES)
    assert f"suggestion: {curve.suggestion:g}" in (tmp_path / "curve.svg").read_text()
