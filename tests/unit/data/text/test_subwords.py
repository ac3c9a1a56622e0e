import io

import pytest
from sentencepiece import SentencePieceTrainer

from lact_modules.data.text.subwords import SubwordVocabulary
from lact_modules.errors import InputError

TEXTS = [
    f"{number} {what} {where}"
    for number in ("ONE", "THIRTY TWO", "THREE HUNDRED", "TEN")
    for what in ("FEET", "WOODEN BOATS", "KITES", "OFFICES", "HORSES")
    for where in ("ABOVE THE HARBOUR", "IN IT'S SHADOW", "ON THE WAY HOME")
]


@pytest.fixture(scope="module")
def vocabulary():
    return SubwordVocabulary.train(TEXTS, num_tokens=36)


def train_otherwise(**options):
    model = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS),
        model_writer=model,
        vocab_size=36,
        minloglevel=2,
        **options,
    )
    return model.getvalue()


def test_special_tokens_come_first(vocabulary):
    assert vocabulary.tokens[:4] == ("<blank>", "<s>", "</s>", "<unk>")
    assert len(vocabulary) == len(set(vocabulary.tokens)) == 36


@pytest.mark.parametrize("model_type", ["unigram", "bpe"])
def test_text_survives_the_way_there_and_back(model_type):
    vocabulary = SubwordVocabulary.train(TEXTS, 36, model_type)
    for text in [*TEXTS, "TIN HOOFS"]:
        ids = vocabulary.encode(text)
        assert min(ids) > 3
        assert vocabulary.decode([0, 1, *ids, 0, 2]) == text
    lengths = [len(vocabulary.encode(text)) for text in TEXTS]
    assert sum(lengths) < 0.8 * sum(map(len, TEXTS))
    assert vocabulary.encode("  TWO \n TEN ") == vocabulary.encode("TWO TEN")
    assert vocabulary.encode("") == []
    assert vocabulary.decode([]) == ""


def test_the_same_texts_make_the_same_tokens(vocabulary):
    assert SubwordVocabulary.train(TEXTS, 36) == vocabulary
    assert SubwordVocabulary.train(TEXTS, 35) != vocabulary
    # an iterator serves as a list does
    assert SubwordVocabulary.train(iter(TEXTS), 36) == vocabulary


def test_characters_are_not_normalized():
    texts = ["\u00bd \ufb01", "CAF\u00c9 CAFE\u0301"]
    vocabulary = SubwordVocabulary.train(texts, num_tokens=14)
    assert [vocabulary.decode(vocabulary.encode(text)) for text in texts] == texts


def test_character_without_a_token_is_named(vocabulary):
    assert vocabulary.unknown("ONE\tLAX two") == {"L", "X", "t", "w", "o"}
    assert vocabulary.unknown("TEN") == set()
    assert vocabulary.decode(vocabulary.encode("TEN LL")) == "TEN <unk>"


def test_special_tokens_cannot_be_smuggled_in(vocabulary):
    assert not {0, 1, 2} & {*vocabulary.encode("<s> ONE </s> <blank>")}


def test_saved_vocabulary_is_loaded(vocabulary, tmp_path):
    path = tmp_path / vocabulary.file_name
    vocabulary.save(path)
    assert SubwordVocabulary.load(path) == vocabulary
    assert [file.name for file in tmp_path.iterdir()] == ["tokenizer.model"]


def test_a_model_whose_blank_is_the_unknown_piece():
    vocabulary = SubwordVocabulary(train_otherwise(unk_id=0, bos_id=1, eos_id=2))
    assert vocabulary.tokens[:3] == ("<blank>", "<s>", "</s>")
    assert vocabulary.unknown("TWO X") == {"X"}
    assert 0 in vocabulary.encode("TWO X")
    assert vocabulary.decode(vocabulary.encode("TWO X TEN")) == "TWO TEN"


def test_a_model_without_begin_and_end_is_refused(tmp_path):
    path = tmp_path / "tokenizer.model"
    path.write_bytes(train_otherwise(bos_id=-1, eos_id=-1))
    with pytest.raises(InputError, match=r"tokenizer\.model: .*tokens -1 and -1"):
        SubwordVocabulary.load(path)


@pytest.mark.parametrize("content", [b"", b"<blank>\n|\n", b"\xff" * 100])
def test_file_that_is_no_model_is_refused(tmp_path, content):
    path = tmp_path / "tokenizer.model"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"tokenizer\.model: not a SentencePiece"):
        SubwordVocabulary.load(path)


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such tokenizer"):
        SubwordVocabulary.load(tmp_path / "tokenizer.model")


def test_the_largest_number_of_tokens_is_named_and_works():
    with pytest.raises(InputError, match="give at most") as caught:
        SubwordVocabulary.train(TEXTS, 5000)
    largest = int(str(caught.value).split("at most ")[1].split(",")[0])
    assert len(SubwordVocabulary.train(TEXTS, largest)) == largest


def test_the_smallest_number_of_tokens_is_named_and_works():
    with pytest.raises(InputError, match="give at least") as caught:
        SubwordVocabulary.train(TEXTS, 5)
    smallest = int(str(caught.value).split()[-1])
    assert len(SubwordVocabulary.train(TEXTS, smallest)) == smallest


@pytest.mark.parametrize("texts", [[], ["", "  "]])
def test_no_text_is_refused(texts):
    with pytest.raises(InputError, match="no text"):
        SubwordVocabulary.train(texts, 36)


def test_unknown_model_type_is_refused():
    with pytest.raises(InputError, match="unigram, bpe"):
        SubwordVocabulary.train(TEXTS, 36, model_type="word")


def test_tokens_that_are_no_pieces_are_not_all_there_is():
    with pytest.raises(InputError, match=r"num_tokens 4: the blank and three .* 5$"):
        SubwordVocabulary.train(TEXTS, num_tokens=4)
