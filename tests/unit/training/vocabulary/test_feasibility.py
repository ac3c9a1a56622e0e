"""Utterances that CTC cannot learn are reported before training begins."""

import itertools

import pytest
import torch

from lact_modules.data.text.subwords import SubwordVocabulary
from lact_modules.data.text.vocabulary import Vocabulary
from lact_modules.errors import InputError
from lact_modules.training.objective.guard import infeasible
from lact_modules.training.vocabulary.feasibility import check_feasible, fits

LETTERS = Vocabulary.from_texts(["HELLO"])


def test_they_are_those_that_the_loss_cannot_align():
    for length in range(5):
        for labels in itertools.product([1, 2], repeat=length):
            for num_frames in range(9):
                expected = infeasible(
                    torch.tensor([labels], dtype=torch.int64).reshape(1, length),
                    torch.tensor([length]),
                    torch.tensor([num_frames]),
                )
                assert fits(labels, num_frames) != expected.item()


def test_their_share_and_remedies_are_reported(caplog):
    listed = [(0.24, "HELLO"), (0.2, "HELLO"), (1.0, ""), (0.0, "H")]
    assert check_feasible(listed, LETTERS, 25.0) == 2
    assert "2 of 4 training utterances (50 %) have more labels" in caplog.text
    assert "at 25 frames a second" in caplog.text
    assert "--units pieces" in caplog.text and "split" in caplog.text
    assert "4x subsampling" not in caplog.text
    caplog.clear()
    assert check_feasible([(0.48, "HELLO")], LETTERS, 12.5) == 0
    assert not caplog.text


def test_pieces_and_few_frames_have_remedies_of_their_own(caplog):
    pieces = SubwordVocabulary.train(["HELLO HELLO"], 9)
    assert check_feasible([(0.3, "HELLO"), (0.8, "HELLO")], pieces, 12.5) == 1
    assert "more num_tokens" in caplog.text and "4x subsampling" in caplog.text


def test_nothing_to_learn_is_refused():
    with pytest.raises(InputError, match=r"2 of 2 .* learn none of them; take word"):
        check_feasible([(0.1, "HELLO"), (0.12, "HELLO")], LETTERS, 25.0)
    assert check_feasible([], LETTERS, 25.0) == 0


def test_attention_learns_what_ctc_cannot(caplog):
    listed = [(0.1, "HELLO"), (0.12, "HELLO")]
    assert check_feasible(listed, LETTERS, 25.0, ctc_weight=0.3) == 2
    assert "2 of 2 training utterances" in caplog.text
    caplog.clear()
    assert check_feasible(listed, LETTERS, 25.0, ctc_weight=0.0) == 0
    assert not caplog.text
