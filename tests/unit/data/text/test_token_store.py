import gzip

import pytest
import torch

from lact_modules.data.text.subwords import SubwordVocabulary
from lact_modules.data.text.token_store import TokenStore, write_token_store
from lact_modules.errors import InputError

TEXTS = ["TWO", "ONE TWO TEN", "TEN TEN"]


@pytest.fixture(scope="module")
def vocabulary():
    return SubwordVocabulary.train(["ONE TWO", "TWO TEN"], num_tokens=12)


def decode(store, vocabulary):
    return [vocabulary.decode(item["tokens"].tolist()) for item in store]


def files_of(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_texts_come_back_in_their_order(tmp_path, vocabulary):
    with gzip.open(tmp_path / "more.txt.gz", "wt") as stream:
        stream.write("ONE ONE\n\nTEN\n")
    write_token_store(
        tmp_path / "store", vocabulary, ["", *TEXTS], [tmp_path / "more.txt.gz"]
    )
    store = TokenStore(tmp_path / "store")
    assert decode(store, vocabulary) == [*TEXTS, "ONE ONE", "TEN"]
    assert [item["id"] for item in store] == ["0", "1", "2", "3", "4"]
    assert store[0]["tokens"].dtype == torch.int64
    assert store.lengths.tolist() == [len(item["tokens"]) for item in store]
    assert (store.num_words, store.num_left_out) == (9, 0)


def test_long_texts_are_counted_and_left_out(tmp_path, vocabulary):
    longest = len(vocabulary.encode("TEN TEN"))
    write_token_store(tmp_path / "store", vocabulary, TEXTS, max_tokens=longest)
    store = TokenStore(tmp_path / "store")
    assert decode(store, vocabulary) == ["TWO", "TEN TEN"]
    assert (store.num_words, store.num_left_out) == (3, 1)


def test_only_what_has_changed_is_written_anew(tmp_path, vocabulary):
    text = tmp_path / "more.txt"
    text.write_text("ONE\n")
    folder = tmp_path / "store"

    def write(texts=TEXTS, tokenizer=vocabulary, max_tokens=None):
        before = files_of(folder)
        write_token_store(folder, tokenizer, texts, [text], max_tokens)
        return files_of(folder) != before

    assert write()
    assert not write()
    assert write(TEXTS[:2])
    assert write(TEXTS)
    assert write(max_tokens=9)
    assert write(tokenizer=SubwordVocabulary.train(["ONE TWO", "TEN"], 11))
    assert write()
    text.write_text("TEN TEN\n")
    assert write()
    assert decode(TokenStore(folder), vocabulary)[-1] == "TEN TEN"


def test_no_text_is_refused_and_leaves_nothing(tmp_path, vocabulary):
    with pytest.raises(InputError, match="train: there is no text"):
        write_token_store(tmp_path / "train", vocabulary, ["", " "])
    assert not (tmp_path / "train").exists()


def test_a_missing_file_is_named(tmp_path, vocabulary):
    with pytest.raises(InputError, match=r"more\.txt: no such text file"):
        write_token_store(
            tmp_path / "store", vocabulary, TEXTS, [tmp_path / "more.txt"]
        )
