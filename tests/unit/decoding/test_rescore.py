import math

import pytest
import torch

from lact_modules.data.text.vocabulary import Vocabulary
from lact_modules.decoding.ctc import BeamDecoder
from lact_modules.decoding.hypothesis import Hypothesis, Word
from lact_modules.decoding.rescore import (
    Rescorer,
    RescoringDecoder,
    oracle,
    rank,
    score_texts,
)
from lact_modules.language_model.arpa import write_arpa
from lact_modules.language_model.language_model import KenLMModel
from lact_modules.language_model.ngram import estimate_ngrams
from lact_modules.scoring.error_rate import count_word_errors


@pytest.fixture(scope="module")
def lm(tmp_path_factory):
    path = tmp_path_factory.mktemp("lm") / "lm.arpa"
    write_arpa(path, estimate_ngrams(["ONE TWO", "ONE TWO ONE", "TWO ONE"], order=2))
    return KenLMModel(path)


@pytest.fixture(scope="module")
def outputs():
    generator = torch.Generator().manual_seed(3)
    vocabulary = Vocabulary.from_texts(["ONE TWO"])
    logits = torch.randn(3, 12, len(vocabulary), generator=generator)
    return (2 * logits).log_softmax(-1), torch.tensor([12, 7, 0])


@pytest.fixture(scope="module")
def beam(tmp_path_factory):
    path = tmp_path_factory.mktemp("lexicon") / "lexicon.txt"
    path.write_text("ONE O N E\nTWO T W O\nTO T O\nON O N\nNO N O\n")
    vocabulary = Vocabulary.from_texts(["ONE TWO"])
    return BeamDecoder(vocabulary, 10.0, beam_size=30, lexicon=path, num_best=8)


def test_score_is_the_sum_that_is_documented(lm, beam, outputs):
    first = beam.n_best(*outputs)
    again = Rescorer(lm, lm_weight=0.7, word_score=0.3)(first)
    for found, rescored in zip(first, again, strict=True):
        expected = {
            h.text: h.score
            + 0.7 * lm.log_probs([h.text])[0]
            + 0.3 * len(h.text.split())
            for h in found
        }
        assert {h.text: h.score for h in rescored} == pytest.approx(expected)
        scores = [h.score for h in rescored]
        assert scores == sorted(scores, reverse=True)


def test_the_language_model_changes_the_choice(lm, beam, outputs):
    rescoring = RescoringDecoder(beam, Rescorer(lm, lm_weight=5.0))
    chosen, first = rescoring(*outputs), beam(*outputs)
    assert [h.text for h in chosen] != [h.text for h in first]
    assert lm.log_probs([chosen[0].text]) > lm.log_probs([first[0].text])


def test_without_weight_nothing_changes(lm, beam, outputs):
    rescoring = RescoringDecoder(beam, Rescorer(lm, lm_weight=0.0))
    assert rescoring(*outputs) == beam(*outputs)
    assert rescoring.n_best(*outputs) == beam.n_best(*outputs)


def test_the_chosen_keeps_its_words_and_times(lm, beam, outputs):
    words = {h.text: h.words for found in beam.n_best(*outputs) for h in found}
    for hypothesis in RescoringDecoder(beam, Rescorer(lm, 5.0))(*outputs):
        assert hypothesis.words == words[hypothesis.text]


def test_ranking_kept_scores_is_rescoring(lm, beam, outputs):
    first = beam.n_best(*outputs)
    kept = score_texts(lm, first)
    assert [len(scores) for scores in kept] == [len(found) for found in first]
    for weight, word_score in ((0.5, 0.0), (2.0, -1.0)):
        expected = Rescorer(lm, weight, word_score)(first)
        assert rank(first, kept, weight, word_score) == expected


def test_ties_stay_in_order_and_lists_may_be_empty(lm):
    found = [Hypothesis(text, (), -1.0) for text in ("TWO", "ONE", "SIX")]
    assert Rescorer(lm, lm_weight=0.0)([found, []]) == [found, []]
    assert Rescorer(lm, lm_weight=1.0)([]) == []


def test_impossible_hypotheses_come_last(lm):
    never = Hypothesis("ONE", (Word("ONE", 0.0, 0.1),), -math.inf)
    possible = Hypothesis("SIX SIX", (), -50.0)
    [[best, last]] = Rescorer(lm, lm_weight=1.0)([[never, possible]])
    assert best.text == "SIX SIX"
    assert last.words == never.words


def test_oracle_is_the_least_that_ranking_can_reach(lm, beam, outputs):
    n_best = beam.n_best(*outputs)
    references = ["ONE TWO", "NO", ""]
    chosen = oracle(references, n_best)
    for reference, text, found in zip(references, chosen, n_best, strict=True):
        texts = [h.text for h in found]
        errors = count_word_errors([reference] * len(texts), texts)[:, :3].sum(1)
        [[*edits, _]] = count_word_errors([reference], [text])
        assert sum(edits) == errors.min()
        assert texts.index(text) == errors.argmin()
