from collections import Counter
from itertools import pairwise
from random import Random

from lact_modules.data.synthetic.grammar import (
    LONGEST,
    SHORTEST,
    vocabulary,
    write_sentence,
)


def test_vocabulary_has_the_size_and_letters_of_a_small_task():
    words = vocabulary()
    assert 150 <= len(words) <= 300
    assert all(word.isalpha() and word.isascii() for word in words)
    assert len(set("".join(words))) == 26


def test_sentences_are_short_varied_and_use_every_word():
    random = Random(0)
    sentences = [write_sentence(random).split() for _ in range(2400)]
    assert all(SHORTEST <= len(words) <= LONGEST for words in sentences)
    counts = Counter(word for words in sentences for word in words)
    assert counts.keys() == vocabulary()
    assert min(counts.values()) >= 10
    assert len({tuple(words) for words in sentences}) > 1800


def test_same_state_writes_the_same_sentence():
    assert write_sentence(Random("7")) == write_sentence(Random("7"))


def test_articles_fit():
    random = Random(1)
    following = {
        after[0]
        for words in (write_sentence(random).split() for _ in range(2000))
        for word, after in pairwise(words)
        if word == "A"
    }
    assert following
    assert not following & set("AEIOU")
