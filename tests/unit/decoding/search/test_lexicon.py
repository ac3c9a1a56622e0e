import gzip
import logging

import pytest

from lact_modules.data.text.vocabulary import Vocabulary
from lact_modules.decoding.search.lexicon import read_lexicon, spell_words
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
    ("content", "complaint"),
    [
        (None, "no such lexicon"),
        (b"A\xff", "not UTF-8"),
        (bytes(range(256)), "not UTF-8"),
        (b"\n \n", "a lexicon without words"),
    ],
)
def test_bad_file_is_named(tmp_path, content, complaint):
    path = tmp_path / "lexicon.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=rf"lexicon\.txt: {complaint}"):
        read_lexicon(path, VOCABULARY)


def test_a_byte_order_mark_is_no_part_of_a_word(tmp_path):
    path = tmp_path / "lexicon.txt"
    path.write_text("\ufeffONE O N E\r\nTWO T W O |\r\n", encoding="utf-8")
    expected = [("ONE", ("O", "N", "E")), ("TWO", ("T", "W", "O"))]
    assert read_lexicon(path, VOCABULARY) == expected
    packed = tmp_path / "lexicon.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert read_lexicon(packed, VOCABULARY) == expected


def test_words_without_spellings_are_spelled_by_their_characters(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("ONE\n\nTWO\n")
    assert read_lexicon(path, VOCABULARY) == spell_words(["ONE", "TWO"], VOCABULARY, "")


@pytest.mark.parametrize("numbers", ["1.0", "0.25", "1e-3", "1.0 0.5 1.2 0.9"])
def test_probabilities_are_skipped_and_reported(tmp_path, caplog, numbers):
    path = tmp_path / "lexiconp.txt"
    path.write_text(f"ONE {numbers} O N E\n2 {numbers} T W O |\n")
    expected = [("ONE", ("O", "N", "E")), ("2", ("T", "W", "O"))]
    assert read_lexicon(path, VOCABULARY) == expected
    assert "probabilities of spellings are not used" in caplog.text


def test_numbers_that_are_tokens_spell(tmp_path, caplog):
    path = tmp_path / "lexicon.txt"
    path.write_text("one 1 O\ntwo 1 T\n")
    assert read_lexicon(path, Vocabulary.from_texts(["1 OT"])) == [
        ("one", ("1", "O")),
        ("two", ("1", "T")),
    ]
    assert caplog.text == ""


def test_repeated_lines_count_once(tmp_path):
    path = tmp_path / "lexicon.txt"
    path.write_text("ONE O N E\nONE O N E |\n")
    assert read_lexicon(path, VOCABULARY) == [("ONE", ("O", "N", "E"))]


def test_spellings_in_another_case_are_reported(tmp_path):
    path = tmp_path / "lexicon.txt"
    path.write_text("ONE o n e\nTWO t w o\n")
    complaint = "none of its 2 words .*; in upper case 2 of 2 would fit"
    with pytest.raises(InputError, match=complaint):
        read_lexicon(path, VOCABULARY)
