"""Tokens in time: the best path, repeats, and texts that cannot be."""

import itertools

import pytest
import torch

from lact_modules.decoding.alignment import align_tokens


def collapse(path):
    """Return tokens and where they begin on a CTC path."""
    tokens, starts = [], []
    for frame, (before, token) in enumerate(itertools.pairwise((0, *path))):
        if token not in (before, 0):
            tokens.append(token)
            starts.append(frame)
    return tokens, starts


@pytest.mark.parametrize("tokens", [[1], [2, 1], [1, 1], [2, 2, 1], [1, 2, 1, 2]])
def test_the_most_likely_path_is_found(tokens):
    torch.manual_seed(0)
    log_probs = torch.randn(6, 3).log_softmax(-1)

    def score(path):
        return sum(float(log_probs[frame, token]) for frame, token in enumerate(path))

    paths = itertools.product(range(3), repeat=6)
    best = max((p for p in paths if collapse(p)[0] == tokens), key=score)
    assert align_tokens(log_probs, tokens) == collapse(best)[1]


def test_tokens_that_were_impossible_are_aligned_all_the_same():
    log_probs = torch.full((4, 3), -torch.inf)
    log_probs[:, 0] = 0.0
    starts = align_tokens(log_probs, [1, 2])
    assert len(starts) == 2
    assert 0 <= starts[0] < starts[1] < 4


@pytest.mark.parametrize("tokens", [[1, 2, 1], [1, 1]])
def test_a_text_too_long_for_its_frames_is_spread(tokens):
    starts = align_tokens(torch.zeros(2, 3), tokens)
    assert len(starts) == len(tokens)
    assert starts == sorted(starts)
    assert {*starts} == {0, 1}


def test_without_tokens_there_is_nothing_to_align():
    assert align_tokens(torch.zeros(0, 3), []) == []
