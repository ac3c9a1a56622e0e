from dataclasses import replace

import pytest
import torch
from torch import nn

from lact_modules.data.text.subwords import SubwordVocabulary
from lact_modules.data.text.vocabulary import Vocabulary
from lact_modules.encoders import CTCModel
from lact_modules.errors import InputError
from lact_modules.training.vocabulary.tokenizer import OutputUnits
from lact_modules.training.vocabulary.units import make_vocabulary

TEXTS = ["ONE TWO", "TWO TEN"]


class Frames(nn.Module):
    """An encoder of 8 features that changes nothing."""

    d_model, frame_share = 8, 1.0

    def forward(self, x, lengths):
        return x, lengths


@pytest.fixture
def units(tmp_path):
    return OutputUnits(tmp_path)


@pytest.fixture
def model():
    return CTCModel(nn.Identity(), Frames(), num_tokens=None)


@pytest.fixture
def make(model):
    return lambda units, read_texts: make_vocabulary(units, model, read_texts)


def fail():
    raise AssertionError("the texts are not needed")


def test_the_model_is_sized_by_the_characters_of_the_texts(make, model, units):
    vocabulary = make(units, lambda: TEXTS)
    assert vocabulary == Vocabulary.from_texts(TEXTS)
    assert model.score_frames(torch.zeros(1, 2, 8)).shape == (1, 2, 7)


def test_characters_that_the_run_began_with_stay(make, units):
    vocabulary = make(units, lambda: TEXTS)
    assert make(units, fail) == vocabulary


def test_characters_given_are_taken(make, units):
    units = replace(units, characters="ENOTWX")
    vocabulary = make(units, fail)
    assert vocabulary == Vocabulary.from_texts(["ENOTWX"])
    units = replace(units, characters="ABC")
    with pytest.raises(InputError, match=r"vocabulary\.txt: differs from the YAML key"):
        make(units, fail)


def test_another_number_of_tokens_is_refused_and_nothing_kept(make, units, tmp_path):
    units = replace(units, num_tokens=29)
    with pytest.raises(InputError, match=r"num_tokens: 29, .* make 7; .* or to null"):
        make(units, lambda: TEXTS)
    assert not (tmp_path / "vocabulary.txt").exists()
    units = replace(units, num_tokens=7)
    assert len(make(units, lambda: TEXTS)) == 7


def test_pieces_size_the_model_as_characters_do(make, model, units, tmp_path):
    SubwordVocabulary.train(TEXTS, 11).save(tmp_path / "given")
    units = replace(units, units="pieces", tokenizer=tmp_path / "given")
    vocabulary = make(units, fail)
    assert vocabulary == SubwordVocabulary.train(TEXTS, 11)
    assert model.score_frames(torch.zeros(1, 2, 8)).shape == (1, 2, 11)


def test_pieces_are_those_of_the_recipes_with_attention(make, units):
    units = replace(units, units="pieces", num_tokens=12, characters="ABC")
    expected = SubwordVocabulary.train(TEXTS, 12)
    assert make(units, lambda: TEXTS) == expected
    assert make(units, fail) == expected


def test_uncounted_pieces_are_refused(make, units, tmp_path):
    units = replace(units, units="pieces")
    with pytest.raises(InputError, match="num_tokens: null; give the number of pieces"):
        make(units, lambda: TEXTS)
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("first", "then"), [("characters", "pieces"), ("pieces", "characters")]
)
def test_a_run_stays_with_the_units_that_it_began_with(make, units, first, then):
    number = {"characters": None, "pieces": 12}
    make(replace(units, units=first, num_tokens=number[first]), lambda: TEXTS)
    with pytest.raises(InputError, match=rf"units {then}: .* began with {first}"):
        make(replace(units, units=then, num_tokens=number[then]), fail)


def test_a_tokenizer_without_pieces_is_refused(make, units):
    units = replace(units, tokenizer="tokenizer.model")
    with pytest.raises(InputError, match="set units to pieces"):
        make(units, fail)
