"""Frames of words are joined to streams, and last as long as they are told to."""

from random import Random

import pytest
import torch

NAMES = ["ONE", "SIX", "TWO"]
TOKENS = {name: number + 4 for number, name in enumerate(NAMES)}


@pytest.fixture
def frames(load_benchmark):
    return load_benchmark("permuted_frames")


@pytest.fixture
def plan(load_benchmark):
    return load_benchmark("permuted_streams").Plan(names=2, strings=1, gap=1.0)


@pytest.fixture
def bank(frames):
    """Make words whose frames hold their token, twice or four times as long."""
    words = {
        name: [torch.full((length, 8), float(token)) for length in (2, 4)]
        for name, token in TOKENS.items()
    }
    pauses = {"7": torch.zeros(9, 8)}
    return frames.FrameBank([], {"7": words}, pauses, 12.5, TOKENS)


def words_of(row):
    """Return the tokens of a row of frames, once for each word."""
    found = torch.unique_consecutive(row)
    return found[found > 0].tolist()


def test_what_is_written_behind_the_gap_is_what_a_name_stands_for(bank, plan):
    batch = bank.draw(5, 2, plan, Random(1))
    assert batch.frames.shape[:2] == batch.tokens.shape
    for i, length in enumerate(batch.lengths.tolist()):
        heard, tokens = batch.frames[i, :length, 0], batch.tokens[i, :length]
        behind = batch.is_behind_gap[i, :length]
        # pairs are written as they are heard
        assert heard[~behind].tolist() == tokens[~behind].tolist()
        pairs = words_of(heard[: behind.int().argmax()])
        if len(pairs) == 2 * plan.names:
            meaning = dict(zip(pairs[::2], pairs[1::2], strict=True))
            named = [meaning[int(token)] for token in heard[behind]]
            assert named == tokens[behind].tolist()


def test_padding_has_no_label_and_is_not_behind_the_gap(frames, bank, plan):
    batch = bank.draw(5, 2, plan, Random(1))
    for i, length in enumerate(batch.lengths.tolist()):
        assert (batch.tokens[i, length:] == frames.NO_LABEL).all()
        assert not batch.is_behind_gap[i, length:].any()


@pytest.mark.parametrize("num_frames", [1, 3])
def test_words_last_as_long_as_they_are_told_to(bank, plan, num_frames):
    batch = bank.draw(5, num_frames, plan, Random(1))
    for tokens in batch.tokens:
        words, counts = torch.unique_consecutive(tokens, return_counts=True)
        assert (counts[words > 0] % num_frames == 0).all()


def test_the_second_word_of_a_pair_has_the_first_as_its_name(bank, plan):
    batch = bank.draw(5, 1, plan, Random(1))
    for i, length in enumerate(batch.lengths.tolist()):
        heard, names = batch.frames[i, :length, 0], batch.names[i, :length]
        [*said] = heard[heard > 0].tolist()
        assert names[names > 0].tolist() == said[0:4:2]
        assert heard[names > 0].tolist() == said[1:4:2]
