"""How sure a word error rate is, and a difference of two.

Two sources of chance are separated: training again with another seed, and testing on
other utterances.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy
from numpy.typing import NDArray
from scipy import stats

from lact_modules.scoring.error_rate import draw_utterances

Interval = tuple[float, float]

_NUM_BOOTSTRAP = 10_000
# bounds the memory of the draws
_DRAWN_AT_ONCE = 500


class Difference(NamedTuple):
    """By how many percentage points a second word error rate exceeds a first one.

    The interval of 95 % is over utterances; the p-value is two-sided: how often
    utterances drawn anew would turn the sign of the difference.
    """

    wer: float
    interval: Interval
    p_value: float


def mean_interval(values: Sequence[float]) -> Interval | None:
    """Return the 95 % interval of a mean, by Student's t; None for fewer than two.

    >>> low, high = mean_interval([-1.0, 0.0, 1.0])
    >>> round(low, 2), round(high, 2)
    (-2.48, 2.48)
    """
    if len(values) < 2:
        return None
    mean = float(numpy.mean(values))
    error = float(numpy.std(values, ddof=1)) / len(values) ** 0.5
    reach = float(stats.t.ppf(0.975, len(values) - 1)) * error
    return mean - reach, mean + reach


def seed_interval(values: Sequence[float]) -> Interval | None:
    """Return the 95 % interval of the mean error rate over seeds, not below 0."""
    interval = mean_interval(values)
    return interval and (max(0.0, interval[0]), interval[1])


def utterance_interval(
    errors: NDArray[numpy.float64], words: NDArray[numpy.int64]
) -> Interval:
    """Return the 95 % interval over utterances (Bisani and Ney, ICASSP 2004).

    It is in percent. ``errors`` (U,) are means over seeds, ``words`` (U,) those of
    references.
    """
    return _percentiles(_drawn_rates(errors[:, None], words)[:, 0])


def paired_bootstrap(
    first: NDArray[numpy.float64],
    second: NDArray[numpy.float64],
    words: NDArray[numpy.int64],
) -> Difference:
    """Compare two recognizers on the same utterances, drawn together.

    What is hard for one is hard for the other; drawing utterances for both at once
    takes that out of the difference (Bisani and Ney, ICASSP 2004, sec. 3). Word errors
    (U,) are means over seeds.
    """
    rates = _drawn_rates(numpy.stack([first, second], axis=1), words)
    differences = rates[:, 1] - rates[:, 0]
    # both sides hold the draws without a difference
    tail = min((differences <= 0).sum(), (differences >= 0).sum())
    return Difference(
        wer=float(100 * (second - first).sum() / max(words.sum(), 1)),
        interval=_percentiles(differences),
        p_value=float(min(1.0, 2 * (tail + 1) / (len(differences) + 1))),
    )


def _drawn_rates(
    errors: NDArray[numpy.float64], words: NDArray[numpy.int64]
) -> NDArray[numpy.float64]:
    """Draw utterances and rate each column of errors (U, K): (draws, K), percent."""
    counts = numpy.concatenate([errors, words[:, None]], axis=1)
    drawn = numpy.concatenate(
        [
            draw_utterances(len(words), _DRAWN_AT_ONCE, seed) @ counts
            for seed in range(_NUM_BOOTSTRAP // _DRAWN_AT_ONCE)
        ]
    )
    return 100 * drawn[:, :-1] / numpy.maximum(drawn[:, -1:], 1)


def _percentiles(values: NDArray[numpy.float64]) -> Interval:
    low, high = numpy.percentile(values, [2.5, 97.5])
    return float(low), float(high)
