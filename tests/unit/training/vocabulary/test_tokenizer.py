from dataclasses import replace

import pytest

from lact_modules.data.text.subwords import SubwordVocabulary
from lact_modules.errors import InputError
from lact_modules.training.vocabulary.tokenizer import OutputUnits, prepare_tokenizer

TEXTS = ["ONE TWO", "TWO TEN"]


@pytest.fixture
def units(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    return OutputUnits(folder, num_tokens=12)


@pytest.fixture
def given(tmp_path):
    path = tmp_path / "given" / "tokenizer.model"
    path.parent.mkdir()
    SubwordVocabulary.train(TEXTS, 11).save(path)
    return path


def fail():
    raise AssertionError("the texts are not needed")


def test_a_trained_tokenizer_is_kept(units):
    trained = prepare_tokenizer(units, lambda: TEXTS)
    assert trained == SubwordVocabulary.train(TEXTS, 12)
    assert prepare_tokenizer(units, fail) == trained


@pytest.mark.parametrize("where", ["file", "folder"])
def test_a_given_tokenizer_is_copied_into_the_run(units, given, where):
    path = str(given if where == "file" else given.parent)
    units = replace(units, tokenizer=path, num_tokens=11)
    vocabulary = prepare_tokenizer(units, fail)
    assert vocabulary == SubwordVocabulary.load(given)
    assert prepare_tokenizer(replace(units, tokenizer=None), fail) == vocabulary


def test_a_tokenizer_of_another_size_is_refused(units, given):
    units = replace(units, tokenizer=str(given))
    with pytest.raises(InputError, match=r"num_tokens: 12, but .*model has 11"):
        prepare_tokenizer(units, fail)


def test_another_tokenizer_than_the_runs_is_refused(units, given):
    prepare_tokenizer(units, lambda: TEXTS)
    units = replace(units, tokenizer=str(given))
    with pytest.raises(InputError, match="differs from the YAML key 'tokenizer'"):
        prepare_tokenizer(units, fail)
