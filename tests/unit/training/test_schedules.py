from types import SimpleNamespace

import pytest
from speechbrain.nnet.schedulers import NoamScheduler

from lact_modules.training.schedules import warmup_cosine, warmup_inverse_sqrt


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
