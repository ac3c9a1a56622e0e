"""Word and character error rates, with their uncertainty."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein

EDITS = ("replace", "insert", "delete")
"""Edits by rapidfuzz's names, in the order of counts of errors."""


@dataclass(frozen=True)
class ErrorRate:
    """How often a recognizer is wrong over a set of utterances.

    Rates, and the 95 % interval of the WER, are in percent; a WER may exceed 100. In
    the CER, the space between words is a character.
    """

    wer: float
    cer: float
    substitutions: int
    insertions: int
    deletions: int
    num_words: int
    num_utterances: int
    wer_interval: tuple[float, float]


def score(
    references: Sequence[str],
    hypotheses: Sequence[str],
    *,
    num_bootstrap: int = 1000,
    seed: int = 0,
) -> ErrorRate:
    """Count the errors of hypotheses against references.

    Rates are of the whole set: errors over reference words, not a mean over
    utterances. An empty hypothesis deletes its reference; an empty reference turns
    its hypothesis into insertions. Without a single reference word the errors are
    taken per one word. The interval is the percentile bootstrap over utterances
    (Bisani and Ney, ICASSP 2004).
    """
    if not references or len(references) != len(hypotheses):
        raise ValueError(
            f"{len(references)} references and {len(hypotheses)} hypotheses: "
            "expected as many of both, and one at least"
        )
    words = count_word_errors(references, hypotheses)
    substitutions, insertions, deletions, num_words = words.sum(axis=0).tolist()
    return ErrorRate(
        wer=float(word_error_rate(words.sum(axis=0))),
        cer=_rate_characters(references, hypotheses),
        substitutions=substitutions,
        insertions=insertions,
        deletions=deletions,
        num_words=num_words,
        num_utterances=len(references),
        wer_interval=_bootstrap(words, num_bootstrap, seed),
    )


def count_word_errors(
    references: Sequence[str], hypotheses: Sequence[str]
) -> NDArray[numpy.int64]:
    """Count the word errors of each utterance.

    Columns (U, 4) are substitutions, insertions, deletions and words of the reference;
    words are split at white space. The sum of errors is the least possible; where
    several alignments have as few, the kinds are those of one of them.
    """
    pairs = zip(references, hypotheses, strict=True)
    return numpy.array(
        [
            count_edits(reference.split(), hypothesis.split())
            for reference, hypothesis in pairs
        ]
    )


def count_stream_errors(
    references: Sequence[str], hypothesis: str
) -> NDArray[numpy.int64]:
    """Count the word errors of utterances that were recognized as one stream.

    Columns are those of `count_word_errors`. A recognizer may output a word after the
    next utterance begins, so a word's time does not assign it to an utterance; the
    alignment with all references does. An insertion counts for the utterance before it.
    """
    utterances = [text.split() for text in references]
    counts = numpy.array([[0, 0, 0, len(words)] for words in utterances])
    owners = [index for index, words in enumerate(utterances) for _ in words]
    words = [word for words in utterances for word in words]
    for edit in Levenshtein.editops(words, hypothesis.split()):
        # an insertion names the word that follows it
        place = edit.src_pos - (edit.tag == "insert")
        counts[owners[place] if place >= 0 else 0, EDITS.index(edit.tag)] += 1
    return counts


def word_error_rate(counts: NDArray[numpy.int64]) -> NDArray[numpy.float64]:
    """Return rates (...) in percent of counts (..., 4), see `count_word_errors`."""
    return 100.0 * counts[..., :3].sum(axis=-1) / numpy.maximum(counts[..., 3], 1)


def draw_utterances(
    num_utterances: int, num_bootstrap: int, seed: int = 0
) -> NDArray[numpy.int64]:
    """Draw as many utterances as there are, with replacement, many times.

    The result (num_bootstrap, U) holds how often each was drawn.
    """
    return numpy.random.default_rng(seed).multinomial(
        num_utterances, numpy.full(num_utterances, 1 / num_utterances), num_bootstrap
    )


def count_edits(reference: list[str], hypothesis: list[str]) -> list[int]:
    """Return substitutions, insertions, deletions, words of the reference."""
    found = [edit.tag for edit in Levenshtein.editops(reference, hypothesis)]
    return [*map(found.count, EDITS), len(reference)]


def _rate_characters(references: Sequence[str], hypotheses: Sequence[str]) -> float:
    expected = [" ".join(text.split()) for text in references]
    recognized = [" ".join(text.split()) for text in hypotheses]
    errors = sum(map(Levenshtein.distance, expected, recognized))
    return 100.0 * errors / max(sum(map(len, expected)), 1)


def _bootstrap(
    counts: NDArray[numpy.int64], num_bootstrap: int, seed: int
) -> tuple[float, float]:
    if num_bootstrap == 0:
        rate = float(word_error_rate(counts.sum(axis=0)))
        return rate, rate
    draws = draw_utterances(len(counts), num_bootstrap, seed)
    low, high = numpy.percentile(word_error_rate(draws @ counts), [2.5, 97.5])
    return float(low), float(high)
