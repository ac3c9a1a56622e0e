import kenlm
import pytest

from lact_modules.language_model.arpa import perplexity, write_arpa
from lact_modules.language_model.ngram import estimate_ngrams
from lact_modules.language_model.ngram_file import read_words

SENTENCES = ["ONE TWO THREE", "TWO ONE", "THREE ÉTÉ ONE ONE", "ONE"]


@pytest.fixture(params=[2, 3, 6])
def arpa(request, tmp_path):
    path = tmp_path / "new" / "lm.arpa"
    write_arpa(path, estimate_ngrams(SENTENCES, request.param))
    return path


def test_words_come_back_and_nothing_else_is_left(arpa):
    assert read_words(arpa) == ["ONE", "TWO", "THREE", "ÉTÉ"]
    assert [path.name for path in arpa.parent.iterdir()] == ["lm.arpa"]


def test_kenlm_finds_what_was_estimated(tmp_path):
    model = estimate_ngrams(SENTENCES, order=2)
    write_arpa(tmp_path / "lm.arpa", model)
    reader = kenlm.Model(str(tmp_path / "lm.arpa"))
    for (first, second), log_prob in zip(
        model.tables[1].grams, model.tables[1].log_prob, strict=True
    ):
        words = [model.words[first], model.words[second]]
        before, after = kenlm.State(), kenlm.State()
        reader.NullContextWrite(before)
        reader.BaseScore(before, words[0], after)
        if words[0] == "<s>":
            reader.BeginSentenceWrite(after)
        assert reader.BaseScore(after, words[1], before) == pytest.approx(
            log_prob, 1e-5
        )


def test_probabilities_sum_to_one_in_kenlm(arpa):
    reader = kenlm.Model(str(arpa))
    words = ["<unk>", "</s>", *read_words(arpa)]
    for history in ([], ["ONE"], ["TWO", "ONE"], ["<unk>", "THREE"]):
        state, following = kenlm.State(), kenlm.State()
        reader.BeginSentenceWrite(state)
        for word in history:
            reader.BaseScore(state, word, following)
            state, following = following, state
        total = sum(10 ** reader.BaseScore(state, w, following) for w in words)
        assert total == pytest.approx(1.0, abs=1e-5)


def test_perplexity_counts_sentence_ends_and_skips_blank_lines(arpa):
    reader = kenlm.Model(str(arpa))
    log_prob = reader.score("TWO ONE") + reader.score("SIX")
    expected = 10 ** (-log_prob / 5)
    assert perplexity(arpa, ["TWO ONE", " ", "SIX"]) == pytest.approx(expected)
