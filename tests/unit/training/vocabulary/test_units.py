import pytest
import torch
from torch import nn

from lact_modules.data.text.subwords import SubwordVocabulary
from lact_modules.data.text.vocabulary import Vocabulary
from lact_modules.encoders import CTCModel
from lact_modules.errors import InputError
from lact_modules.training.vocabulary.units import make_vocabulary

TEXTS = ["ONE TWO", "TWO TEN"]


class Frames(nn.Module):
    """An encoder of 8 features that changes nothing."""

    d_model, frame_share = 8, 1.0

    def forward(self, x, lengths):
        return x, lengths


@pytest.fixture
def hparams(tmp_path):
    return {
        "output_folder": str(tmp_path),
        "units": "characters",
        "characters": None,
        "tokenizer": None,
        "num_tokens": None,
        "model": CTCModel(nn.Identity(), Frames(), num_tokens=None),
    }


def fail():
    raise AssertionError("the texts are not needed")


def test_the_model_is_sized_by_the_characters_of_the_texts(hparams):
    vocabulary = make_vocabulary(hparams, lambda: TEXTS)
    assert vocabulary == Vocabulary.from_texts(TEXTS)
    assert hparams["model"].score_frames(torch.zeros(1, 2, 8)).shape == (1, 2, 7)


def test_characters_that_the_run_began_with_stay(hparams):
    vocabulary = make_vocabulary(hparams, lambda: TEXTS)
    assert make_vocabulary(hparams, fail) == vocabulary


def test_characters_given_are_taken(hparams):
    hparams["characters"] = "ENOTWX"
    vocabulary = make_vocabulary(hparams, fail)
    assert vocabulary == Vocabulary.from_texts(["ENOTWX"])
    hparams["characters"] = "ABC"
    with pytest.raises(InputError, match=r"vocabulary\.txt: differs from the YAML key"):
        make_vocabulary(hparams, fail)


def test_another_number_of_tokens_is_refused_and_nothing_kept(hparams, tmp_path):
    hparams["num_tokens"] = 29
    with pytest.raises(InputError, match=r"num_tokens: 29, .* make 7; .* or to null"):
        make_vocabulary(hparams, lambda: TEXTS)
    assert not (tmp_path / "vocabulary.txt").exists()
    hparams["num_tokens"] = 7
    assert len(make_vocabulary(hparams, lambda: TEXTS)) == 7


def test_pieces_size_the_model_as_characters_do(hparams, tmp_path):
    SubwordVocabulary.train(TEXTS, 11).save(tmp_path / "given")
    hparams |= {"units": "pieces", "tokenizer": str(tmp_path / "given")}
    vocabulary = make_vocabulary(hparams, fail)
    assert vocabulary == SubwordVocabulary.train(TEXTS, 11)
    assert hparams["model"].score_frames(torch.zeros(1, 2, 8)).shape == (1, 2, 11)


def test_pieces_are_those_of_the_recipes_with_attention(hparams):
    hparams |= {"units": "pieces", "num_tokens": 12, "characters": "ABC"}
    expected = SubwordVocabulary.train(TEXTS, 12)
    assert make_vocabulary(hparams, lambda: TEXTS) == expected
    assert make_vocabulary(hparams, fail) == expected


def test_pieces_that_nobody_counts_are_refused(hparams, tmp_path):
    hparams["units"] = "pieces"
    with pytest.raises(InputError, match="num_tokens: null; give the number of pieces"):
        make_vocabulary(hparams, lambda: TEXTS)
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("first", "then"), [("characters", "pieces"), ("pieces", "characters")]
)
def test_a_run_stays_with_the_units_that_it_began_with(hparams, first, then):
    number = {"characters": None, "pieces": 12}
    make_vocabulary(
        {**hparams, "units": first, "num_tokens": number[first]}, lambda: TEXTS
    )
    with pytest.raises(InputError, match=rf"units {then}: .* began with {first}"):
        make_vocabulary({**hparams, "units": then, "num_tokens": number[then]}, fail)


def test_a_tokenizer_without_pieces_is_refused(hparams):
    hparams["tokenizer"] = "tokenizer.model"
    with pytest.raises(InputError, match="set units to pieces"):
        make_vocabulary(hparams, fail)
