"""Word and character error rates, with their uncertainty."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy
from numpy.typing import NDArray
from speechbrain.utils.edit_distance import (
    EDIT_SYMBOLS,
    alignment,
    op_table,
    wer_details_for_batch,
)
from speechbrain.utils.metric_stats import ErrorRateStats

# in the order of the counts
_EDITS = [EDIT_SYMBOLS[name] for name in ("sub", "ins", "del")]


@dataclass(frozen=True)
class ErrorRate:
    """How often a recognizer is wrong over a set of utterances.

    Arguments
    ---------
    wer : float
        Word error rate in percent; may exceed 100.
    cer : float
        Character error rate in percent; the space between words is a character.
    substitutions : int
        Words replaced.
    insertions : int
        Words too many.
    deletions : int
        Words missed.
    num_words : int
        Words of the references.
    num_utterances : int
        Utterances scored.
    wer_interval : tuple[float, float]
        95 % interval of `wer` in percent.
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

    Arguments
    ---------
    references : Sequence[str]
        What was said; words are split at white space.
    hypotheses : Sequence[str]
        What was recognized, in the order of `references`.
    num_bootstrap : int
        Resamplings of the utterances; 0 leaves the interval at the rate itself.
    seed : int
        Seed of the resampling.

    Returns
    -------
    ErrorRate
        Rates in percent, and counts.

    Raises
    ------
    ValueError
        If there are no utterances, or not as many hypotheses as references.

    Example
    -------
    >>> rate = score(["ONE TWO", "TEN"], ["ONE", "TEN"])
    >>> round(rate.wer, 1), rate.deletions
    (33.3, 1)
    """
    if not references or len(references) != len(hypotheses):
        raise ValueError(
            f"{len(references)} references and {len(hypotheses)} hypotheses: "
            "want as many of both, and one at least"
        )
    words = count_word_errors(references, hypotheses)
    characters = _count(
        [" ".join(text.split()) for text in references],
        [" ".join(text.split()) for text in hypotheses],
    )
    substitutions, insertions, deletions, num_words = words.sum(axis=0).tolist()
    return ErrorRate(
        wer=float(_rate(words.sum(axis=0))),
        cer=float(_rate(characters.sum(axis=0))),
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

    Arguments
    ---------
    references : Sequence[str]
        What was said; words are split at white space.
    hypotheses : Sequence[str]
        What was recognized, in the order of `references`.

    Returns
    -------
    NDArray[numpy.int64]
        (U, 4): substitutions, insertions, deletions, words of the reference.

    Example
    -------
    >>> count_word_errors(["ONE TWO", "TEN"], ["ONE", "TIN CAN"]).tolist()
    [[0, 0, 1, 2], [1, 1, 0, 1]]
    """
    return _count(
        [text.split() for text in references], [text.split() for text in hypotheses]
    )


def count_stream_errors(
    references: Sequence[str], hypothesis: str
) -> NDArray[numpy.int64]:
    """Count the word errors of utterances that were heard as one stream.

    A recognizer may tell a word when the next utterance has begun, so times do not say
    which utterance a word belongs to; the alignment with all that was said does.

    Arguments
    ---------
    references : Sequence[str]
        What was said, one utterance after the other; words are split at white space.
    hypothesis : str
        What was recognized. A word too many counts for the utterance before it.

    Returns
    -------
    NDArray[numpy.int64]
        (U, 4): substitutions, insertions, deletions, words of the reference.

    Example
    -------
    >>> count_stream_errors(["ONE TWO", "TEN"], "ONE TIN TIN TEN").tolist()
    [[1, 1, 0, 2], [0, 0, 0, 1]]
    """
    said = [text.split() for text in references]
    owners = [index for index, words in enumerate(said) for _ in words]
    counts = numpy.array([[0, 0, 0, len(words)] for words in said])
    columns = {symbol: i for i, symbol in enumerate(_EDITS)}
    owner = 0
    words = [word for words in said for word in words]
    for edit, place, _ in alignment(op_table(words, hypothesis.split())):
        owner = owner if place is None else owners[place]
        if edit in columns:
            counts[owner, columns[edit]] += 1
    return counts


def draw_utterances(
    num_utterances: int, num_bootstrap: int, seed: int = 0
) -> NDArray[numpy.int64]:
    """Draw as many utterances as there are, with replacement, many times.

    Arguments
    ---------
    num_utterances : int
        Size of the test set.
    num_bootstrap : int
        How many such samples to draw.
    seed : int
        Of the draws; the same seed draws the same utterances.

    Returns
    -------
    NDArray[numpy.int64]
        (num_bootstrap, U): how often each utterance was drawn.

    Example
    -------
    >>> draw_utterances(5, num_bootstrap=2).sum(axis=1).tolist()
    [5, 5]
    """
    return numpy.random.default_rng(seed).multinomial(
        num_utterances, numpy.full(num_utterances, 1 / num_utterances), num_bootstrap
    )


def write_error_report(
    path: str | Path,
    ids: Sequence[str],
    references: Sequence[str],
    hypotheses: Sequence[str],
) -> None:
    """Write the summary and the word alignment of every utterance.

    The file has the format of SpeechBrain's ``wer_*.txt``.

    Arguments
    ---------
    path : str | Path
        Text file; its folder must exist.
    ids : Sequence[str]
        Utterance ids, all different.
    references : Sequence[str]
        What was said, in the order of `ids`.
    hypotheses : Sequence[str]
        What was recognized, in the order of `ids`.

    Example
    -------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "wer_test.txt"
    >>> write_error_report(path, ["a"], ["ONE TWO"], ["ONE TEN"])
    >>> print(path.read_text().splitlines()[0])
    %WER 50.00 [ 1 / 2, 0 ins, 0 del, 1 sub ]
    """
    statistics = ErrorRateStats()
    statistics.append(
        ids,
        predict=[text.split() for text in hypotheses],
        target=[text.split() for text in references],
    )
    path = Path(path)
    unfinished = path.with_name(path.name + ".part")
    with open(unfinished, "w", encoding="utf-8") as stream:
        statistics.write_stats(stream)
    os.replace(unfinished, path)


def _count(
    references: Sequence[Sequence[str]], hypotheses: Sequence[Sequence[str]]
) -> NDArray[numpy.int64]:
    # (U, 4): substitutions, insertions, deletions, reference tokens
    # ids may repeat in a corpus, so utterances are keyed by their place
    details = wer_details_for_batch(range(len(references)), references, hypotheses)
    keys = ("substitutions", "insertions", "deletions", "num_ref_tokens")
    return numpy.array([[utterance[key] for key in keys] for utterance in details])


def _rate(counts: NDArray[numpy.int64]) -> NDArray[numpy.float64]:
    # (..., 4) -> (...), percent
    return 100.0 * counts[..., :3].sum(axis=-1) / numpy.maximum(counts[..., 3], 1)


def _bootstrap(
    counts: NDArray[numpy.int64], num_bootstrap: int, seed: int
) -> tuple[float, float]:
    if num_bootstrap == 0:
        rate = float(_rate(counts.sum(axis=0)))
        return rate, rate
    draws = draw_utterances(len(counts), num_bootstrap, seed)
    low, high = numpy.percentile(_rate(draws @ counts), [2.5, 97.5])
    return float(low), float(high)
