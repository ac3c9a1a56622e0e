import logging

import pytest

from lact_modules.data.vocabulary import Vocabulary
from lact_modules.decoding.lexicon import read_lexicon, spell_words
from lact_modules.errors import InputError

VOCABULARY = Vocabulary.from_texts(["ONE TWO"])


def test_final_delimiter_is_optional_and_spellings_may_be_many(tmp_path):
    path = tmp_path / "lexicon.txt"
    path.write_text("one\tO N E |\n\none W O N\n2 T W O\n")
    assert read_lexicon(path, VOCABULARY) == [
        ("one", ("O", "N", "E")),
        ("one", ("W", "O", "N")),
        ("2", ("T", "W", "O")),
    ]


def test_words_beyond_the_vocabulary_are_counted(tmp_path, caplog):
    path = tmp_path / "lexicon.txt"
    path.write_text("ONE O N E\nSIX S I X\nNOTHING |\nTWOONE T W O | O N E\n")
    with caplog.at_level(logging.WARNING):
        assert [word for word, _ in read_lexicon(path, VOCABULARY)] == ["ONE"]
    assert "3 of 4 words" in caplog.text


def test_no_word_left_is_an_error():
    with pytest.raises(InputError, match=r"lm\.arpa: none of its 2 words .* case"):
        spell_words(["one", "two"], VOCABULARY, source="lm.arpa")


@pytest.mark.parametrize(
    ("content", "complaint"), [(None, "no such lexicon"), (b"\xff\xfe", "not UTF-8")]
)
def test_bad_file_is_named(tmp_path, content, complaint):
    path = tmp_path / "lexicon.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=rf"lexicon\.txt: {complaint}"):
        read_lexicon(path, VOCABULARY)
