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
    """The edit of each word of a reference, and its time in seconds.

    ``times`` and ``edits`` (``"equal"``, ``"replace"`` or ``"delete"``) are those of
    the reference's words (W,); ``inserted`` (I,) are the times of inserted words.
    """

    times: NDArray[numpy.float64]
    edits: NDArray[numpy.str_]
    inserted: NDArray[numpy.float64]


def time_errors(
    reference: str, hypothesis: Sequence[Word], seconds: float
) -> TimedErrors:
    """Align a reference with a hypothesis, and take times from there.

    A word has the time of its partner. Words that were deleted are spread
    evenly between the partners of their neighbors, or the recording's ends: those of a
    stretch without any hypothesis are not piled up at its border.
    """
    reference_words = reference.split()
    pieces = [(text, word.start) for word in hypothesis for text in word.word.split()]
    begins = numpy.array([start for _, start in pieces])
    # the recording's ends are neighbors of the first word and of the last
    places, times, inserted = [-1], [0.0], [numpy.empty(0)]
    edits = numpy.full(len(reference_words), "equal", dtype="<U7")
    for edit in Levenshtein.opcodes(reference_words, [text for text, _ in pieces]):
        partners = begins[edit.dest_start : edit.dest_end]
        if edit.tag == "insert":
            inserted.append(partners)
            continue
        edits[edit.src_start : edit.src_end] = edit.tag
        if edit.tag != "delete":
            places += range(edit.src_start, edit.src_end)
            times += partners.tolist()
    places, times = [*places, len(reference_words)], [*times, seconds]
    spread = numpy.interp(numpy.arange(len(reference_words)), places, times)
    return TimedErrors(spread, edits, numpy.concatenate(inserted))


def count_minutes(errors: TimedErrors, seconds: float) -> NDArray[numpy.int64]:
    """Count the word errors per minute of a recording, (M, 4).

    Columns are those of `count_word_errors`. The last minute may be shorter; there is
    at least one.
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
    """The word errors of a data set by minute of its recordings."""

    def __init__(self) -> None:
        # errors and words as in `count_minutes`, and recordings that last so long
        self._counts = numpy.zeros((1, 5), dtype=numpy.int64)

    def add(self, reference: str, hypothesis: Sequence[Word], seconds: float) -> None:
        """Count a recording, see `time_errors`."""
        counts = count_minutes(time_errors(reference, hypothesis, seconds), seconds)
        more = max(0, len(counts) - len(self._counts))
        self._counts = numpy.pad(self._counts, ((0, more), (0, 0)))
        self._counts[: len(counts), :4] += counts
        self._counts[: len(counts), 4] += 1

    @property
    def num_minutes(self) -> int:
        """Those of the longest recording."""
        return len(self._counts)

    def rows(self, step: int = 1) -> list[dict[str, Any]]:
        """Return a row of rates and counts for every ``step`` minutes.

        Each has its first minute, from 1, and the number of recordings that last until
        there; counts add up to those of the data set. No rows if no recording exceeds a
        minute.
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
