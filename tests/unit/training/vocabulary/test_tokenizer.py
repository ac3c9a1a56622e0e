import pytest

from lact_modules.data.text.subwords import SubwordVocabulary
from lact_modules.errors import InputError
from lact_modules.training.vocabulary.tokenizer import prepare_tokenizer

TEXTS = ["ONE TWO", "TWO TEN"]


@pytest.fixture
def hparams(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    return {"output_folder": str(folder), "tokenizer": None, "num_tokens": 12}


@pytest.fixture
def given(tmp_path):
    path = tmp_path / "given" / "tokenizer.model"
    path.parent.mkdir()
    SubwordVocabulary.train(TEXTS, 11).save(path)
    return path


def fail():
    raise AssertionError("the texts are not needed")


def test_a_trained_tokenizer_is_kept(hparams):
    trained = prepare_tokenizer(hparams, lambda: TEXTS)
    assert trained == SubwordVocabulary.train(TEXTS, 12)
    assert prepare_tokenizer(hparams, fail) == trained


@pytest.mark.parametrize("where", ["file", "folder"])
def test_a_given_tokenizer_is_copied_into_the_run(hparams, given, where):
    hparams["tokenizer"] = str(given if where == "file" else given.parent)
    hparams["num_tokens"] = 11
    vocabulary = prepare_tokenizer(hparams, fail)
    assert vocabulary == SubwordVocabulary.load(given)
    hparams["tokenizer"] = None
    assert prepare_tokenizer(hparams, fail) == vocabulary


def test_a_tokenizer_of_another_size_is_refused(hparams, given):
    hparams["tokenizer"] = str(given)
    with pytest.raises(InputError, match=r"num_tokens: 12, but .*model has 11"):
        prepare_tokenizer(hparams, fail)


def test_another_tokenizer_than_the_runs_is_refused(hparams, given):
    prepare_tokenizer(hparams, lambda: TEXTS)
    hparams["tokenizer"] = str(given)
    with pytest.raises(InputError, match="differs from the YAML key 'tokenizer'"):
        prepare_tokenizer(hparams, fail)
