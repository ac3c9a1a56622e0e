from types import SimpleNamespace

import pytest
from speechbrain.nnet.schedulers import NoamScheduler

from lact_modules.training.schedules import (
    tri_stage,
    triangular,
    warmup_cosine,
    warmup_inverse_sqrt,
)


def test_rises_to_the_peak_and_falls_to_the_floor():
    factors = [warmup_cosine(step, 100, 10, floor=0.1) for step in range(101)]
    assert factors[0] == pytest.approx(0.1)
    assert factors[9] == factors[10] == 1.0
    assert factors[:10] == sorted(factors[:10])
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert factors[55] == pytest.approx(0.55)
    assert factors[100] == pytest.approx(0.1)


def test_first_update_is_not_at_the_full_rate():
    assert warmup_cosine(0, 40_000, 2000) == pytest.approx(1 / 2000)
    assert warmup_cosine(0, 40_000, 2000, start=0.5) == pytest.approx(0.50025)


def test_stays_at_the_floor_beyond_the_end():
    assert warmup_cosine(500, 100, 10, floor=0.05) == pytest.approx(0.05)


def test_warm_up_takes_at_most_half_of_a_short_training():
    factors = [warmup_cosine(step, 10, 2000) for step in range(10)]
    assert factors[4] == 1.0
    assert factors[9] < 0.2


@pytest.mark.parametrize("total_steps", [1, 2, 3])
def test_shortest_trainings_have_a_rate(total_steps):
    factors = [warmup_cosine(step, total_steps, 5) for step in range(total_steps)]
    assert all(0 < factor <= 1 for factor in factors)


def test_inverse_square_root_peaks_once_and_halves_in_four_times_the_steps():
    factors = [warmup_inverse_sqrt(step, 100, 10) for step in range(100)]
    assert factors[0] == pytest.approx(0.1)
    assert factors.index(max(factors)) == 9
    assert factors[9] == 1.0
    assert factors[39] == pytest.approx(0.5)
    assert factors[9:] == sorted(factors[9:], reverse=True)


def test_inverse_square_root_is_that_of_speechbrain_before_its_first_step():
    scheduler = NoamScheduler(lr_initial=1.0, n_warmup_steps=7)
    optimizer = SimpleNamespace(param_groups=[{"lr": 1.0}])
    published = [scheduler(optimizer)[1] for _ in range(30)]
    ours = [warmup_inverse_sqrt(step, 30, 7) for step in range(30)]
    assert ours == pytest.approx(published)


def test_triangle_is_symmetric_and_wastes_no_update():
    factors = [triangular(step, 99) for step in range(99)]
    assert factors.index(max(factors)) == 49
    assert factors[49] == 1.0
    assert factors == pytest.approx(factors[::-1])
    assert min(factors) > 0


def test_slanted_triangle_rises_faster_than_it_falls():
    factors = [triangular(step, 999, rise=0.1, floor=0.25) for step in range(999)]
    assert factors.index(max(factors)) == 99
    assert factors[:100] == sorted(factors[:100])
    assert factors[549] == pytest.approx(0.625)
    assert triangular(5000, 999, rise=0.1, floor=0.25) == pytest.approx(0.25)


def test_cycles_repeat():
    once = [triangular(step, 49) for step in range(49)]
    twice = [triangular(step, 99, cycles=2) for step in range(99)]
    assert twice == pytest.approx([*once, 0.0, *once])


def test_three_stages_rise_hold_and_fall_exponentially():
    factors = [tri_stage(step, 1000) for step in range(1001)]
    assert factors[0] == pytest.approx(0.01)
    assert factors[50] == pytest.approx(0.505)
    assert set(factors[100:501]) == {1.0}
    assert factors[750] == pytest.approx(0.05**0.5)
    assert factors[1000] == tri_stage(2000, 1000) == pytest.approx(0.05)


def test_three_stages_need_not_fall():
    assert tri_stage(1000, 1000, warmup=0.1, hold=0.9) == 1.0
