"""Prefix scores against sums over all texts, and their padding."""

import itertools

import pytest
import torch
from torch.nn.functional import ctc_loss

from lact_modules.decoding.ctc_prefix import PrefixScorer

NUM_TOKENS, NUM_FRAMES = 4, 5


def make_frames(*shape):
    torch.manual_seed(0)
    return torch.randn(*shape, NUM_TOKENS).mul(2).log_softmax(-1)


def score_text(log_probs, text):
    return -float(
        ctc_loss(
            log_probs.double()[:, None],
            torch.tensor([text], dtype=torch.int64),
            torch.tensor([len(log_probs)]),
            torch.tensor([len(text)]),
            reduction="sum",
        )
    )


def walk(scorer, text):
    state = scorer.start()
    for token in text:
        state = scorer.advance(state, torch.tensor([0]), torch.tensor([token]))
    return state


@pytest.fixture(scope="module")
def all_texts():
    """Score every possible text by PyTorch's CTC loss."""
    log_probs = make_frames(NUM_FRAMES)
    return {
        text: score_text(log_probs, text)
        for length in range(NUM_FRAMES + 1)
        for text in itertools.product(range(1, NUM_TOKENS), repeat=length)
    }


TEXTS = [(), (1,), (2, 2), (1, 2, 1), (3, 3, 3), (1, 2, 3, 1, 2), (2, 2, 2, 2)]


@pytest.mark.parametrize("text", TEXTS)
def test_a_whole_text_has_the_probability_of_the_loss(all_texts, text):
    scorer = PrefixScorer(make_frames(1, NUM_FRAMES), torch.tensor([NUM_FRAMES]))
    found = scorer.end(walk(scorer, text))
    assert found.item() == pytest.approx(all_texts[text], abs=1e-6)


@pytest.mark.parametrize("text", TEXTS)
def test_a_beginning_has_the_probability_of_all_its_texts(all_texts, text):
    scorer = PrefixScorer(make_frames(1, NUM_FRAMES), torch.tensor([NUM_FRAMES]))
    tokens = torch.arange(1, NUM_TOKENS)
    found = scorer.extend(walk(scorer, text), tokens[None])[0]
    for token, score in zip(tokens.tolist(), found.tolist(), strict=True):
        prefix = (*text, token)
        begun = [s for t, s in all_texts.items() if t[: len(prefix)] == prefix]
        expected = torch.tensor(begun or [-torch.inf]).logsumexp(0).item()
        assert score == pytest.approx(expected, abs=1e-5)


def test_padding_and_neighbours_have_no_influence():
    lengths = [5, 0, 3]
    log_probs = make_frames(3, NUM_FRAMES)
    for i, length in enumerate(lengths):
        log_probs[i, length:] = torch.nan
    together = PrefixScorer(log_probs, torch.tensor(lengths))
    rows, tokens = torch.arange(3), torch.tensor([1, 2, 3])
    candidates = torch.tensor([[1, 2, 3]]).expand(3, -1)
    state = together.advance(together.start(), rows, tokens)
    ends, begun = together.end(state), together.extend(state, candidates)
    assert not ends.isnan().any()
    for i, length in enumerate(lengths):
        alone = PrefixScorer(log_probs[i : i + 1, :length], torch.tensor([length]))
        own = walk(alone, [int(tokens[i])])
        torch.testing.assert_close(alone.end(own)[0], ends[i])
        torch.testing.assert_close(alone.extend(own, candidates[:1])[0], begun[i])


def test_nothing_is_certain_without_frames():
    scorer = PrefixScorer(make_frames(1, 2), torch.tensor([0]))
    assert scorer.end(scorer.start()).tolist() == [0.0]
    assert scorer.extend(scorer.start(), torch.tensor([[1]])).tolist() == [[-torch.inf]]


def test_long_and_improbable_texts_keep_their_precision():
    log_probs = make_frames(1, 800)
    # 800 frames of a token that CTC does not believe in
    log_probs[..., 3] = -60.0
    scorer = PrefixScorer(log_probs, torch.tensor([800]))
    state = walk(scorer, [3, 1, 3, 3, 2])
    expected = score_text(log_probs[0], (3, 1, 3, 3, 2))
    assert scorer.end(state).item() == pytest.approx(expected, abs=1e-6)


def test_beginnings_may_be_dropped_and_shared():
    scorer = PrefixScorer(make_frames(2, NUM_FRAMES), torch.tensor([5, 4]))
    rows, tokens = torch.tensor([1, 1, 0]), torch.tensor([2, 3, 2])
    state = scorer.advance(scorer.start(), rows, tokens)
    ends = scorer.end(state)
    for row, utterance in enumerate(rows.tolist()):
        alone = PrefixScorer(
            make_frames(2, NUM_FRAMES)[utterance][None], scorer.lengths[utterance, None]
        )
        expected = alone.end(walk(alone, [int(tokens[row])]))
        torch.testing.assert_close(ends[row, None], expected)
