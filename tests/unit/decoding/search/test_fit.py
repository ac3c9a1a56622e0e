"""Lexicon, language model and vocabulary that do not fit are reported."""

import pytest

from lact_modules.data.text.subwords import SubwordVocabulary
from lact_modules.data.text.vocabulary import Vocabulary
from lact_modules.decoding.ctc import BeamDecoder
from lact_modules.decoding.search.fit import check_rescoring, choose_words
from lact_modules.errors import InputError
from lact_modules.language_model.arpa import write_arpa
from lact_modules.language_model.ngram import estimate_ngrams

VOCABULARY = Vocabulary.from_texts(["DON'T É ONE TWO"])


@pytest.fixture
def make_lm(tmp_path):
    def make(*sentences):
        write_arpa(tmp_path / "lm.arpa", estimate_ngrams(sentences, order=2))
        return tmp_path / "lm.arpa"

    return make


@pytest.fixture
def lexicon(tmp_path):
    path = tmp_path / "lexicon.txt"
    path.write_text("ONE O N E\nTWO T W O\nDON'T D O N ' T\n")
    return path


@pytest.mark.parametrize(
    ("sentence", "hint"),
    [
        ("one two", "in upper case 2 of 2 would fit"),
        ("\u00e9 one", "in upper case 2 of 2 would fit"),
        ("DON\u2019T ONE\u2019", "in apostrophes ' 2 of 2 would fit"),
        ("E\u0301 E\u0301E\u0301", "in NFC 2 of 2 would fit"),
        ("\uff2f\uff2e\uff25", "in NFKC 1 of 1 would fit"),
        ("don\u2019t e\u0301", "in upper case and NFC and apostrophes ' 2 of 2"),
        ("sechs", "give words of the language"),
    ],
)
def test_a_model_of_words_that_cannot_be_spelled(make_lm, sentence, hint):
    with pytest.raises(InputError, match=rf"lm\.arpa: none of its \d words .*{hint}"):
        choose_words(VOCABULARY, make_lm(sentence), None)
    with pytest.raises(InputError, match=rf"lm\.arpa: none of its \d words .*{hint}"):
        check_rescoring(make_lm(sentence), VOCABULARY, None)


def test_some_words_that_cannot_be_spelled_are_counted(make_lm, caplog):
    words = choose_words(VOCABULARY, make_lm("ONE two six DON'T"), None)
    assert [word for word, _ in words] == ["ONE", "DON'T"]
    assert "2 of 4 words skipped" in caplog.text
    assert "in upper case 1 of 2 would fit" in caplog.text


def test_a_model_that_knows_no_word_of_the_lexicon(make_lm, lexicon):
    lm = make_lm("one two", "don't")
    complaint = r"lm\.arpa: the language model knows none of the words of .*lexicon"
    hint = r" \(3\); in lower case 3 of 3 would fit"
    with pytest.raises(InputError, match=complaint + r"\S*" + hint):
        BeamDecoder(VOCABULARY, 10.0, 5, lm, lexicon)
    with pytest.raises(InputError, match="knows none of the words to be ranked" + hint):
        check_rescoring(lm, VOCABULARY, ["ONE", "TWO", "DON'T"])


def test_words_of_the_lexicon_that_a_model_does_not_know(make_lm, lexicon, caplog):
    assert len(choose_words(VOCABULARY, make_lm("ONE don\u2019t"), lexicon)) == 3
    assert "does not know 2 of the words of" in caplog.text
    assert (
        "(of 3); in lower case and apostrophes \u2019 1 of 2 would fit" in caplog.text
    )


def test_nothing_is_reported_if_all_fits(make_lm, lexicon, caplog):
    caplog.clear()
    lm = make_lm("ONE TWO DON'T")
    caplog.clear()
    choose_words(VOCABULARY, lm, lexicon)
    choose_words(VOCABULARY, lm, None)
    check_rescoring(lm, VOCABULARY, ["ONE", "TWO"])
    check_rescoring(lm, VOCABULARY, None)
    assert caplog.text == ""


def test_characters_that_a_model_does_not_know(make_lm, caplog):
    thai = Vocabulary.from_texts(["ไปตลาด"])
    with pytest.raises(InputError, match=r"none of the model's characters \(6\)"):
        choose_words(thai, make_lm("你 好"), None)
    assert choose_words(thai, make_lm("ไ ป"), None) is None
    assert "does not know 4 of the model's characters (of 6)" in caplog.text


def test_rescoring_of_subwords(make_lm):
    subwords = SubwordVocabulary.train(["ONE TWO", "TWO ONE TEN"], num_tokens=12)
    check_rescoring(make_lm("ONE TWO"), subwords, None)
    with pytest.raises(InputError, match="in upper case 2 of 2 would fit"):
        check_rescoring(make_lm("one two"), subwords, None)


def test_words_do_not_rank_texts_without_spaces(make_lm, caplog):
    thai = Vocabulary.from_texts(["ไปตลาด"])
    check_rescoring(make_lm("ไป ตลาด"), thai, None)
    assert "take one of characters" in caplog.text
