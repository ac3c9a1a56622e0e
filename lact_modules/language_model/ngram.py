"""Estimate n-gram language models: interpolated modified Kneser-Ney.

Chen and Goodman (1998), with the choices of Heafield et al. (2013): discounts of
each order from its counts of counts, unigrams interpolated with the uniform
distribution, in which ``<unk>`` takes part.
"""

import logging
import os
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lact_modules.errors import InputError

logger = logging.getLogger(__name__)

UNKNOWN, SENTENCE_START, SENTENCE_END = "<unk>", "<s>", "</s>"
SPECIAL_WORDS = (UNKNOWN, SENTENCE_START, SENTENCE_END)
"""Words 0, 1 and 2 of every model."""

ORDERS = range(2, 7)
"""Orders that KenLM reads."""

# bytes that counting takes for each word of a text that repeats nothing: always, and
# for each order
_WORD_BYTES, _NGRAM_BYTES = 40, 60

# characters; KenLM's readers have trouble with words of hundreds of thousands
_LONGEST_WORD = 1000

FALLBACK_DISCOUNTS = (0.5, 1.0, 1.5)
"""For counts 1, 2 and 3 or more, where the text is too small to estimate them."""


@dataclass(frozen=True)
class NgramTable:
    """The n-grams of one order.

    Arguments
    ---------
    grams : NDArray
        (M, order) int32, ids of words, oldest first.
    log_prob : NDArray
        (M,) float64, log10 of the last word's probability after the others.
    log_backoff : NDArray
        (M,) float64, log10 of what the n-gram as a history leaves to the next
        lower order; 0 if it is not a history.
    """

    grams: NDArray[np.int32]
    log_prob: NDArray[np.float64]
    log_backoff: NDArray[np.float64]


@dataclass(frozen=True)
class NgramModel:
    """A back-off language model: words by id, `SPECIAL_WORDS` first, and its orders."""

    words: tuple[str, ...]
    tables: tuple[NgramTable, ...]


@dataclass(frozen=True)
class _Counts:
    """The distinct n-grams of one order, and where each points one order down."""

    grams: NDArray[np.int32]
    # row of the first n-1 words, and of the last n-1 words, in the lower order
    history: NDArray[np.int64]
    suffix: NDArray[np.int64]
    occurrences: NDArray[np.int64]
    starts_sentence: NDArray[np.bool_]


def estimate_ngrams(
    sentences: Iterable[str],
    order: int = 3,
    prune: Sequence[int] = (),
    words: Sequence[str] = (),
) -> NgramModel:
    """Estimate a model of words separated by white space.

    With `a` the adjusted count (occurrences at the highest order and for n-grams
    that start a sentence, else the number of distinct words before the n-gram):

        p(w | h) = (a(hw) - D(a(hw))) / a(h) + backoff(h) p(w | h without its first)

    Arguments
    ---------
    sentences : Iterable[str]
        Empty ones are skipped.
    order : int
        Longest n-gram, 2 to 6.
    prune : Sequence[int]
        Bigrams seen at most ``prune[0]`` times are skipped, trigrams ``prune[1]``
        and so on; must not decrease, the last value holds for all longer n-grams.
    words : Sequence[str]
        Known to the model though the text may not have them.

    Returns
    -------
    NgramModel
        Probabilities of every history sum to 1 over all words but ``<s>``.

    Raises
    ------
    InputError
        If the order or the thresholds are out of range; if the text is empty, too
        large for this machine, or holds one of `SPECIAL_WORDS` or what is no word.
    """
    if order not in ORDERS:
        raise InputError(
            f"order {order}: KenLM reads {ORDERS[0]} to {ORDERS[-1]}; give one of these"
        )
    # unigrams are never pruned
    thresholds = [-1, *prune, *[max(prune, default=0)] * order][:order]
    if thresholds != sorted(thresholds):
        raise InputError(
            f"prune {list(prune)}: thresholds must not be negative or fall"
        )
    known, stream = _number_words(sentences, words, _most_words(order))
    counts = _count(stream, order, len(known))
    # below the unigrams, every word but <s> is equally likely
    probs = [np.array([1 / (len(known) - 1)])]
    backoffs, kept = [], []
    for index, table in enumerate(counts):
        longer = counts[index + 1] if index + 1 < order else None
        kept.append(table.occurrences > thresholds[index])
        prob, backoff = _interpolate(table, _adjust(table, longer), kept[-1], probs[-1])
        probs.append(prob)
        backoffs.append(backoff)
    # <s> is given, not predicted
    probs[1][SPECIAL_WORDS.index(SENTENCE_START)] = 1.0
    # a history's back-off is found with the n-grams one longer
    backoffs = [*backoffs[1:], np.ones(len(probs[-1]))]
    tables = map(_keep, counts, kept, probs[1:], backoffs)
    return NgramModel(known, tuple(tables))


def _keep(
    table: _Counts,
    kept: NDArray[np.bool_],
    probs: NDArray[np.float64],
    backoffs: NDArray[np.float64],
) -> NgramTable:
    """Drop pruned n-grams and take logarithms; rounding must not pass 1."""
    log_probs = np.minimum(np.log10(probs[kept]), 0.0)
    return NgramTable(table.grams[kept], log_probs, np.log10(backoffs[kept]))


def _most_words(order: int) -> int:
    """Return how many words this machine's memory holds while they are counted."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return memory // (_WORD_BYTES + order * _NGRAM_BYTES)


def _number_words(
    sentences: Iterable[str], more: Sequence[str], most: int
) -> tuple[tuple[str, ...], NDArray[np.int32]]:
    """Turn text into one stream of ids with ``<s>`` and ``</s>`` around sentences."""
    ids = {word: index for index, word in enumerate((*SPECIAL_WORDS, *more))}
    start, end = ids[SENTENCE_START], ids[SENTENCE_END]
    stream = array("i")
    for sentence in sentences:
        words = sentence.split()
        if not frozenset(SPECIAL_WORDS).isdisjoint(words):
            raise InputError(
                f"language model text {sentence.strip()!r}: remove the reserved words "
                f"{', '.join(SPECIAL_WORDS)}"
            )
        longest = max(words, key=len, default="")
        if len(longest) > _LONGEST_WORD or "\0" in sentence:
            raise InputError(
                f"language model text: {longest[:20]!r}... is no word; part words by "
                "white space, or count characters (--units characters)"
            )
        if len(stream) > most:
            raise InputError(
                f"language model text: more than {most} words need more memory than "
                "this machine has; give less text, or let KenLM's lmplz count"
            )
        if words:
            stream.append(start)
            stream.extend(ids.setdefault(word, len(ids)) for word in words)
            stream.append(end)
    if not stream:
        raise InputError("language model text: empty; give at least one sentence")
    return tuple(ids), np.array(stream, dtype=np.int32)


def _count(stream: NDArray[np.int32], order: int, num_words: int) -> list[_Counts]:
    """Count n-grams of orders 1 to `order`, each found from those one shorter."""
    start = SPECIAL_WORDS.index(SENTENCE_START)
    places = np.arange(len(stream))
    since_start = places - np.maximum.accumulate(np.where(stream == start, places, 0))
    nowhere = np.zeros(num_words, dtype=np.int64)
    tables = [
        _Counts(
            grams=np.arange(num_words, dtype=np.int32)[:, None],
            history=nowhere,
            suffix=nowhere,
            occurrences=np.bincount(stream, minlength=num_words),
            starts_sentence=np.zeros(num_words, dtype=bool),
        )
    ]
    # rows[t]: the row of the n-gram that ends at place t, one order below
    rows = stream.astype(np.int64)
    for length in range(2, order + 1):
        ends = np.flatnonzero(since_start >= length - 1)
        keys = rows[ends - 1] * num_words + stream[ends]
        _, first, inverse, occurrences = np.unique(
            keys, return_index=True, return_inverse=True, return_counts=True
        )
        last = ends[first]
        tables.append(
            _Counts(
                grams=stream[last[:, None] + np.arange(1 - length, 1)],
                history=rows[last - 1],
                suffix=rows[last],
                occurrences=occurrences,
                starts_sentence=since_start[last] == length - 1,
            )
        )
        rows[ends] = inverse
    return tables


def _adjust(table: _Counts, longer: _Counts | None) -> NDArray[np.int64]:
    """Return Kneser-Ney's adjusted counts; ``<s>`` and ``<unk>`` have none."""
    if longer is None:
        return table.occurrences
    words_before = np.bincount(longer.suffix, minlength=len(table.grams))
    return np.where(table.starts_sentence, table.occurrences, words_before)


def _interpolate(
    table: _Counts,
    adjusted: NDArray[np.int64],
    kept: NDArray[np.bool_],
    lower_probs: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the probability of each n-gram, and the back-off of each history."""
    discounts = np.array([0.0, *_discounts(adjusted, order=table.grams.shape[1])])
    # what is pruned keeps nothing: all of its count goes to the lower order
    count = np.where(kept, adjusted, 0)
    discount = discounts[np.minimum(count, 3)]
    total = np.bincount(table.history, adjusted, minlength=len(lower_probs))
    left = np.bincount(
        table.history, adjusted - count + discount, minlength=len(lower_probs)
    )
    backoffs = np.divide(left, total, out=np.ones(len(lower_probs)), where=total > 0)
    own = (count - discount) / total[table.history]
    return own + backoffs[table.history] * lower_probs[table.suffix], backoffs


def _discounts(adjusted: NDArray[np.int64], order: int) -> Sequence[float]:
    """Estimate what counts 1, 2, and 3 or more give away (Chen and Goodman, eq. 26)."""
    ones, twos, threes, fours = np.bincount(np.minimum(adjusted, 5), minlength=6)[1:5]
    if ones and twos and threes:
        share = ones / (ones + 2 * twos)
        discounts = (
            float(1 - 2 * share * twos / ones),
            float(2 - 3 * share * threes / twos),
            float(3 - 4 * share * fours / threes),
        )
        if all(0 < discount <= count for count, discount in enumerate(discounts, 1)):
            return discounts
    logger.warning(
        "%d-grams: too little text, or too regular, to estimate discounts; using %s",
        order,
        FALLBACK_DISCOUNTS,
    )
    return FALLBACK_DISCOUNTS
