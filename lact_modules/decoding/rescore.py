"""Rank a decoder's n best texts again, with a language model that reads them whole."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from rapidfuzz.distance import Levenshtein

from lact_modules.decoding.hypothesis import Hypothesis
from lact_modules.decoding.numbers import check_number
from lact_modules.language_model.language_model import LanguageModel

NBest = list[list[Hypothesis]]
"""Of each utterance its hypotheses, best first."""


Decoder = Callable[..., list[Hypothesis]]
"""Takes a model's outputs, spread; those that search have ``n_best`` too."""


class Rescorer:
    """Add a language model's opinion to the scores of hypotheses.

    A hypothesis scores its score so far, plus `lm_weight` times the natural
    log-probability of its text, plus `word_score` a word.
    """

    def __init__(self, lm: LanguageModel, lm_weight: float, word_score: float = 0.0):
        check_number("rescore_weight", lm_weight, 0)
        check_number("rescore_word_score", word_score)
        self.lm = lm
        self.lm_weight = lm_weight
        self.word_score = word_score

    def __call__(self, n_best: NBest) -> NBest:
        """Rank each list, perhaps empty, again: best first; ties keep their order."""
        scores = score_texts(self.lm, n_best)
        return rank(n_best, scores, self.lm_weight, self.word_score)


class RescoringDecoder:
    """A search whose n best texts, without ``n_best`` but one, are ranked again."""

    def __init__(self, decoder: Decoder, rescorer: Rescorer):
        self.decoder = decoder
        self.rescorer = rescorer

    def __call__(self, *outputs: Any) -> list[Hypothesis]:
        """Decode a batch; see :meth:`n_best`, of which this is the first."""
        return [found[0] for found in self.n_best(*outputs)]

    def n_best(self, *outputs: Any) -> NBest:
        """Decode a batch of a model's outputs; best first by the new score."""
        return self.rescorer(list_best(self.decoder, *outputs))


def list_best(decoder: Decoder, *outputs: Any) -> NBest:
    """Return any decoder's results as lists, of one hypothesis without a search."""
    if hasattr(decoder, "n_best"):
        return decoder.n_best(*outputs)
    return [[hypothesis] for hypothesis in decoder(*outputs)]


def score_texts(lm: LanguageModel, n_best: NBest) -> list[list[float]]:
    """Ask a language model for all texts at once: natural log-probabilities."""
    scores: Iterator[float] = iter(lm.log_probs([h.text for f in n_best for h in f]))
    return [[next(scores) for _ in found] for found in n_best]


def rank(
    n_best: NBest,
    lm_scores: Sequence[Sequence[float]],
    lm_weight: float,
    word_score: float = 0.0,
) -> NBest:
    """Order hypotheses by their own and a language model's score, see `score_texts`."""

    def total(hypothesis: Hypothesis, lm_score: float) -> float:
        num_words = len(hypothesis.text.split())
        return hypothesis.score + lm_weight * lm_score + word_score * num_words

    ranked = []
    for found, scores in zip(n_best, lm_scores, strict=True):
        pairs = zip(found, scores, strict=True)
        rescored = [replace(h, score=total(h, lm_score)) for h, lm_score in pairs]
        ranked.append(sorted(rescored, key=lambda h: -h.score))
    return ranked


def oracle(references: Sequence[str], n_best: NBest) -> list[str]:
    """Choose of each list, not empty, the first text with the fewest word errors.

    Its error rate is the least that any ranking of these lists can reach.
    """
    chosen = []
    for reference, found in zip(references, n_best, strict=True):
        words = reference.split()
        texts = [hypothesis.text for hypothesis in found]
        errors = [Levenshtein.distance(words, text.split()) for text in texts]
        chosen.append(texts[errors.index(min(errors))])
    return chosen
