import pytest

from lact_modules.data.text.vocabulary import BLANK, Vocabulary
from lact_modules.errors import InputError


@pytest.fixture
def vocabulary():
    return Vocabulary.from_texts(["IT'S ONE", "TWO\tÜBER"])


def test_tokens_are_blank_delimiter_and_sorted_characters(vocabulary):
    assert vocabulary.tokens == (BLANK, "|", *"'BEINORSTWÜ")
    assert vocabulary.blank_id == 0
    assert len(vocabulary) == len(vocabulary.tokens)


def test_text_survives_the_way_there_and_back(vocabulary):
    ids = vocabulary.encode("  TWO \n ONE ")
    assert vocabulary.decode(ids) == "TWO ONE"
    assert vocabulary.decode([0, *ids, 0]) == "TWO ONE"
    assert vocabulary.encode("") == []


def test_character_without_a_token_is_named(vocabulary):
    assert vocabulary.unknown("ONE\tFAX") == {"F", "A", "X"}
    with pytest.raises(InputError, match="'F' is not in the vocabulary"):
        vocabulary.encode("ONE FAX")


def test_saved_vocabulary_is_loaded(vocabulary, tmp_path):
    path = tmp_path / "vocabulary.txt"
    vocabulary.save(path)
    assert Vocabulary.load(path) == vocabulary
    path.write_text(path.read_text(encoding="utf-8").rstrip("\n"), encoding="utf-8")
    assert Vocabulary.load(path) == vocabulary


@pytest.mark.parametrize("content", [b"", b"A\nB\n", b"<blank>\nA\nA\n", b"\xff\xfe"])
def test_file_that_is_no_vocabulary_is_refused(tmp_path, content):
    path = tmp_path / "vocabulary.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"vocabulary\.txt: not a vocabulary"):
        Vocabulary.load(path)


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such vocabulary"):
        Vocabulary.load(tmp_path / "vocabulary.txt")
