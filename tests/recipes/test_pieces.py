"""CTC recipes over word pieces, and with 12.5 frames a second."""

import pytest

from lact_modules.data.text.subwords import SubwordVocabulary
from lact_modules.model_store.trained_model import load_run
from tests.recipes.conftest import TINY

PIECES = {"units": "pieces", "num_tokens": 34}
# four utterances, two steps
FEW = {"train_splits": "[dev]", "test_splits": "[dev]"}
SEPARABLE = "!name:lact_modules.frontends.SeparableConvolution {}"
EIGHTFOLD = (
    "{channels: 4, dropout: 0.0, frame_rate: 12.5, audio_encoder_layers: 3, "
    f"convolution: {SEPARABLE}}}"
)


@pytest.fixture(scope="module")
def pieces(train, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pieces")
    tiny = {**TINY, "frontend": EIGHTFOLD}
    decoding = "{beam_size: 5}"
    return train(folder, tiny=tiny, decoding=decoding, **FEW, **PIECES)


def test_pieces_are_learned_and_kept_with_the_model(pieces):
    assert pieces.code == 0, pieces.error
    trained = load_run(pieces.folder)
    assert isinstance(trained.vocabulary, SubwordVocabulary)
    assert len(trained.vocabulary) == trained.model.output.out_features == 34
    assert trained.model.frame_rate == 12.5
    assert not (pieces.folder / "vocabulary.txt").exists()
    assert {*pieces.result["metrics"]["dev"]} == {"greedy", "beam"}


def test_few_frames_are_reported_before_training(pieces):
    warned, started = (
        pieces.log.find("more labels than frames"),
        pieces.log.find("epoch"),
    )
    assert 0 < warned < started
    assert "more num_tokens or a front end of 25 frames" in pieces.log


def test_a_run_stays_with_its_pieces(train, pieces):
    tiny = {**TINY, "frontend": EIGHTFOLD, "num_epochs": 2}
    run = train(pieces.folder, tiny=tiny, num_tokens=29, **FEW)
    assert run.code == 2
    assert "began with pieces" in run.error.splitlines()[-1]


def test_pieces_start_from_a_model_of_characters(train, pieces, tmp_path):
    few = {**FEW, "test_splits": "[]", "optimizer_step_limit": 1}
    letters = train(tmp_path / "letters", **few)
    assert letters.code == 0, letters.error
    run = train(tmp_path / "pieces", init_from=letters.folder, **few, **PIECES)
    assert run.code == 0, run.error
    assert "its 29 tokens are characters, the new model's 34 are pieces" in run.log
    assert run.log.count("output layers start fresh") == 1


def test_rates_take_enough_convolutions(train, tmp_path):
    tiny = {**TINY, "frontend": "{channels: 4, frame_rate: 12.5}"}
    run = train(tmp_path, tiny=tiny)
    assert run.code == 2
    assert "takes audio_encoder_layers=3" in run.error.splitlines()[-1]
