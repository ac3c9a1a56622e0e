"""Errors fall into the minute in which they were made, and none is lost."""

import random

import numpy
import pytest

from lact_modules.decoding.hypothesis import Word
from lact_modules.scoring.error_rate import count_word_errors
from lact_modules.scoring.minutes import ByMinute, count_minutes, time_errors


def timed(text, every=10.0, first=0.0):
    """Return a word every so many seconds."""
    return [
        Word(word, first + every * index, first + every * index + 0.5)
        for index, word in enumerate(text.split())
    ]


def count(reference, hypothesis, seconds):
    return count_minutes(time_errors(reference, hypothesis, seconds), seconds).tolist()


def test_an_error_is_counted_in_the_minute_of_its_hypothesis():
    # five words a minute
    hypothesis = timed("A B C D E F X H I J K L M M O", every=12.0)
    reference = "A B C D E F G H I J K L M N O"
    assert count(reference, hypothesis, 180.0) == [
        [0, 0, 0, 5],
        [1, 0, 0, 5],
        [1, 0, 0, 5],
    ]
    reference = "A B C D E F H I J K L M O"
    assert count(reference, hypothesis, 180.0) == [
        [0, 0, 0, 5],
        [0, 1, 0, 4],
        [0, 1, 0, 4],
    ]


def test_a_word_that_was_missed_stands_between_its_neighbors():
    hypothesis = [Word("A", 1.0, 1.5), Word("B", 70.0, 70.5), Word("D", 90.0, 90.5)]
    assert count("A B C D", hypothesis, 150.0) == [
        [0, 0, 0, 1],
        [0, 0, 1, 3],
        [0, 0, 0, 0],
    ]


@pytest.mark.parametrize("minutes_recognized", [0, 1])
def test_deletions_are_spread_over_a_stretch_without_words(minutes_recognized):
    reference = [f"W{index}" for index in range(40)]
    hypothesis = timed(" ".join(reference[: 10 * minutes_recognized]), every=6.0)
    rows = count(" ".join(reference), hypothesis, 240.0)
    missed = [10 - minutes_recognized * 10, 10, 10, 10]
    # a word may lie on the border of two minutes
    assert [row[2] for row in rows] == pytest.approx(missed, abs=1)
    assert sum(row[2] for row in rows) == 40 - 10 * minutes_recognized
    assert [row[3] for row in rows] == pytest.approx([10] * 4, abs=1)


def test_the_end_of_a_recording_is_its_last_minute():
    # the last frame may begin where the recording ends
    assert count("A", timed("A", first=120.0), 120.0) == [[0] * 4, [0, 0, 0, 1]]
    assert count("A", timed("B", first=59.99), 60.0) == [[1, 0, 0, 1]]
    assert count("A", [], 0.0) == [[0, 0, 1, 1]]
    assert count("", timed("B"), 10.0) == [[0, 1, 0, 0]]


def test_minutes_add_up_to_the_whole():
    draw = random.Random(5)
    by_minute = ByMinute()
    pairs = [
        [" ".join(draw.choices("ABCD", k=draw.randrange(40))) for _ in range(2)]
        for _ in range(50)
    ]
    for reference, hypothesis in pairs:
        every = draw.uniform(0.1, 10.0)
        seconds = every * len(hypothesis.split()) + draw.uniform(0, 100)
        by_minute.add(reference, timed(hypothesis, every), seconds)
    expected = count_word_errors(*zip(*pairs, strict=True)).sum(axis=0).tolist()
    names = ("substitutions", "insertions", "deletions", "n_words")
    for step in (1, 2, 5, 100):
        rows = by_minute.rows(step)
        assert [sum(row[name] for row in rows) for name in names] == expected
        assert [row["minute"] for row in rows][:2] == [1, 1 + step][: len(rows)]
        for row in rows:
            errors = numpy.sum([row[name] for name in names[:3]])
            assert row["wer"] == pytest.approx(100 * errors / max(row["n_words"], 1))
    assert by_minute.rows()[0]["recordings"] == 50
    assert by_minute.rows()[-1]["recordings"] >= 1


def test_recordings_of_a_minute_have_no_minutes():
    by_minute = ByMinute()
    by_minute.add("A", timed("A"), 60.0)
    assert by_minute.rows() == []
    by_minute.add("A", timed("A"), 60.1)
    assert [row["recordings"] for row in by_minute.rows()] == [2, 1]
