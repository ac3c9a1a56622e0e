"""Word errors by minute of the recording."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein

from lact_modules.decoding.hypothesis import Word
from lact_modules.scoring.error_rate import EDITS, word_error_rate

_MINUTE = 60.0


class TimedErrors(NamedTuple):
    """The edit of each word of a reference, and its time.

    Arguments
    ---------
    times : NDArray[numpy.float64]
        (W,) seconds at which the words of the reference begin.
    edits : NDArray[numpy.str_]
        (W,) of each ``"equal"``, ``"replace"`` or ``"delete"``.
    inserted : NDArray[numpy.float64]
        (I,) seconds at which inserted words begin.
    """

    times: NDArray[numpy.float64]
    edits: NDArray[numpy.str_]
    inserted: NDArray[numpy.float64]


def time_errors(reference: str, heard: Sequence[Word], seconds: float) -> TimedErrors:
    """Align a reference with a hypothesis, and take times from there.

    A word has the time of its partner. Words that were deleted are spread
    evenly between the partners of their neighbors, or the recording's ends: those of a
    stretch without any hypothesis are not piled up at its border.

    Arguments
    ---------
    reference : str
        Transcripts; words are split at white space.
    heard : Sequence[Word]
        What was recognized, in time.
    seconds : float
        Duration of the recording.

    Returns
    -------
    TimedErrors
        As many edits as `count_word_errors` counts, of the same kinds.

    Example
    -------
    >>> heard = [Word("ONE", 1.0, 1.5), Word("TEN", 9.0, 9.5)]
    >>> found = time_errors("ONE TWO SIX TWO", heard, seconds=15.0)
    >>> found.times.tolist(), found.edits.tolist()
    ([1.0, 9.0, 11.0, 13.0], ['equal', 'replace', 'delete', 'delete'])
    """
    said = reference.split()
    pieces = [(text, word.start) for word in heard for text in word.word.split()]
    begins = numpy.array([start for _, start in pieces])
    # the recording's ends are neighbors of the first word and of the last
    places, times, inserted = [-1], [0.0], [numpy.empty(0)]
    edits = numpy.full(len(said), "equal", dtype="<U7")
    for edit in Levenshtein.opcodes(said, [text for text, _ in pieces]):
        partners = begins[edit.dest_start : edit.dest_end]
        if edit.tag == "insert":
            inserted.append(partners)
            continue
        edits[edit.src_start : edit.src_end] = edit.tag
        if edit.tag != "delete":
            places += range(edit.src_start, edit.src_end)
            times += partners.tolist()
    places, times = [*places, len(said)], [*times, seconds]
    spread = numpy.interp(numpy.arange(len(said)), places, times)
    return TimedErrors(spread, edits, numpy.concatenate(inserted))


def count_minutes(errors: TimedErrors, seconds: float) -> NDArray[numpy.int64]:
    """Count the word errors of each minute of a recording.

    Arguments
    ---------
    errors : TimedErrors
        See `time_errors`.
    seconds : float
        Duration of the recording.

    Returns
    -------
    NDArray[numpy.int64]
        (M, 4): substitutions, insertions, deletions, words of the reference. The last
        minute may be shorter; there is one at the least.

    Example
    -------
    >>> heard = [Word("ONE", 1.0, 1.5), Word("TEN", 61.0, 61.5)]
    >>> count_minutes(time_errors("ONE TWO", heard, 70.0), 70.0).tolist()
    [[0, 0, 0, 1], [1, 0, 0, 1]]
    """
    num_minutes = max(1, math.ceil(seconds / _MINUTE))

    def count(times: NDArray[numpy.float64]) -> NDArray[numpy.int64]:
        minutes = (times // _MINUTE).astype(numpy.int64)
        return numpy.bincount(minutes.clip(0, num_minutes - 1), minlength=num_minutes)

    edited = {"insert": errors.inserted}
    for tag in ("replace", "delete"):
        edited[tag] = errors.times[errors.edits == tag]
    columns = [edited[tag] for tag in EDITS]
    return numpy.stack([*map(count, columns), count(errors.times)], axis=1)


class ByMinute:
    """The word errors of a data set by minute of its recordings.

    Example
    -------
    >>> by_minute = ByMinute()
    >>> by_minute.add("ONE TWO", [Word("ONE", 1.0, 1.5), Word("TEN", 61.0, 61.5)], 70.0)
    >>> by_minute.add("ONE", [], 5.0)
    >>> [(row["minute"], row["n_words"], row["wer"]) for row in by_minute.rows()]
    [(1, 2, 50.0), (2, 1, 100.0)]
    """

    def __init__(self) -> None:
        # errors and words as in `count_minutes`, and recordings that last so long
        self._counts = numpy.zeros((1, 5), dtype=numpy.int64)

    def add(self, reference: str, heard: Sequence[Word], seconds: float) -> None:
        """Count a recording, see `time_errors`."""
        counts = count_minutes(time_errors(reference, heard, seconds), seconds)
        more = max(0, len(counts) - len(self._counts))
        self._counts = numpy.pad(self._counts, ((0, more), (0, 0)))
        self._counts[: len(counts), :4] += counts
        self._counts[: len(counts), 4] += 1

    @property
    def num_minutes(self) -> int:
        """Those of the longest recording."""
        return len(self._counts)

    def rows(self, step: int = 1) -> list[dict[str, Any]]:
        """Return rates and counts; the counts add up to those of the data set.

        Arguments
        ---------
        step : int
            Minutes that are taken together.

        Returns
        -------
        list[dict[str, Any]]
            Of each row its first minute, from 1, the recordings that last until there,
            the error rate in percent, and counts; empty if no recording is longer than
            a minute.
        """
        if self.num_minutes == 1:
            return []
        firsts = range(0, self.num_minutes, step)
        added = numpy.add.reduceat(self._counts[:, :4], firsts)
        return [
            {
                "minute": first + 1,
                "recordings": int(self._counts[first, 4]),
                "wer": float(word_error_rate(counts)),
                "substitutions": int(counts[0]),
                "insertions": int(counts[1]),
                "deletions": int(counts[2]),
                "n_words": int(counts[3]),
            }
            for first, counts in zip(firsts, added, strict=True)
        ]
