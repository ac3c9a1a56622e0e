import numpy
import pytest

from lact_modules.comparison.statistics import (
    paired_bootstrap,
    seed_interval,
    utterance_interval,
)


@pytest.fixture
def generator():
    return numpy.random.default_rng(0)


def test_seed_interval_holds_the_mean_as_often_as_stated(generator):
    draws = generator.normal(10, 1, size=(2000, 3))
    held = [low <= 10 <= high for low, high in map(seed_interval, draws)]
    assert numpy.mean(held) == pytest.approx(0.95, abs=0.015)


def test_seed_interval_needs_two_and_stays_above_zero():
    assert seed_interval([5.0]) is None
    assert seed_interval([0.1, 2.0])[0] == 0


def test_utterance_interval_shrinks_with_more_utterances(generator):
    def width(num_utterances):
        errors = generator.binomial(5, 0.2, num_utterances).astype(float)
        low, high = utterance_interval(errors, numpy.full(num_utterances, 5))
        assert low < 20 < high
        return high - low

    assert width(1000) < width(100) / 2


def test_pairing_finds_a_difference_that_the_intervals_hide(generator):
    words = numpy.full(200, 10)
    # some utterances are hard for both
    hard = 8.0 * (generator.random(200) < 0.2)
    slips = 1.0 * (generator.random(200) < 0.2)
    difference = paired_bootstrap(hard, hard + slips, words)
    intervals = [utterance_interval(e, words) for e in (hard, hard + slips)]
    assert intervals[0][1] > intervals[1][0]
    assert difference.interval[0] > 0
    assert difference.p_value < 0.001
    assert difference.wer == pytest.approx(100 * slips.sum() / words.sum())


def test_swapping_turns_the_sign(generator):
    first, second = generator.integers(0, 5, (2, 50)).astype(float)
    words = generator.integers(1, 9, 50)
    one = paired_bootstrap(first, second, words)
    other = paired_bootstrap(second, first, words)
    assert other.wer == pytest.approx(-one.wer)
    assert other.interval == pytest.approx((-one.interval[1], -one.interval[0]))
    assert other.p_value == one.p_value


def test_p_value_is_small_as_often_as_chance_makes_it(generator):
    words = numpy.full(60, 5)
    errors = generator.binomial(5, 0.2, (60, 2, 60)).astype(float)
    small = [paired_bootstrap(*pair, words).p_value < 0.1 for pair in errors]
    assert 0.02 <= numpy.mean(small) <= 0.22


def test_equal_recognizers_do_not_differ():
    errors, words = numpy.array([1.0, 0.0, 2.0]), numpy.array([3, 3, 3])
    assert paired_bootstrap(errors, errors, words) == (0.0, (0.0, 0.0), 1.0)
