import pytest
import torch

from lact_modules.data.text.subwords import SubwordVocabulary
from lact_modules.errors import InputError
from lact_modules.model_store.trained_model import load_run


def edit(run, old, new):
    path = run / "hyperparams.yaml"
    path.write_text(path.read_text().replace(old, new))


def test_the_model_is_ready_to_run(trained_run):
    trained = load_run(trained_run)
    assert not trained.model.training
    assert trained.model.output.out_features == len(trained.vocabulary)


def test_the_number_of_tokens_may_be_left_to_the_vocabulary(run_copy):
    given = load_run(run_copy)
    edit(run_copy, "num_tokens: 6", "num_tokens:")
    trained = load_run(run_copy)
    assert trained.model.output.out_features == 6
    # an export records it
    assert trained.description == given.description


def test_the_run_selects_which_checkpoints_are_the_best(run_copy):
    edit(run_copy, "avg_checkpoints: 2", "avg_checkpoints: 1\nbest_by: CER")
    for mark in run_copy.glob("save/*/CKPT.yaml"):
        notes = mark.read_text()
        wer = float(notes.split("WER: ")[1].split()[0])
        # the worst by word error rate
        mark.write_text(f"{notes.rstrip()}\nCER: {90.0 - wer}\n")
    chosen = load_run(run_copy).model.output.weight
    (worst,) = run_copy.glob("save/*50*")
    expected = torch.load(worst / "model.ckpt", weights_only=True)["output.weight"]
    assert torch.equal(chosen, expected)


def test_nothing_of_the_yaml_is_run(run_copy, monkeypatch):
    monkeypatch.chdir(run_copy)
    edit(run_copy, "!apply:torch.manual_seed [1]", "!apply:os.system [touch marker]")
    load_run(run_copy)
    assert not (run_copy / "marker").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "model: !new:lact_modules.encoders.CTCModel",
            "model: !new:os.system",
            "os.sys",
        ),
        (
            "model: !new:lact_modules.encoders.CTCModel",
            "model: !apply:os.system",
            "!app",
        ),
        ("model: !new:lact_modules.encoders.CTCModel", "other:", "has no key 'model'"),
        ("num_layers: 2", "num_layers: 3", "missing"),
        ("num_heads: 2", "num_heads: 3", "d_model=16"),
        ("avg_checkpoints: 2", "avg_checkpoints: two", "whole number"),
    ],
)
def test_a_fault_in_the_yaml_is_one_line(run_copy, old, new, message):
    edit(run_copy, old, new)
    with pytest.raises(InputError, match=message) as caught:
        load_run(run_copy)
    assert "\n" not in str(caught.value)
    assert str(run_copy) in str(caught.value)


def test_a_vocabulary_of_another_size(run_copy):
    with open(run_copy / "vocabulary.txt", "a") as stream:
        stream.write("E\n")
    with pytest.raises(InputError, match=r"7 tokens.*6 outputs"):
        load_run(run_copy)


@pytest.fixture
def subword_run(run_copy):
    """Make the run's six outputs subwords."""
    (run_copy / "vocabulary.txt").unlink()
    SubwordVocabulary.train(["A"], 6).save(run_copy / "tokenizer.model")
    return run_copy


def test_a_run_with_subwords(subword_run):
    trained = load_run(subword_run)
    assert isinstance(trained.vocabulary, SubwordVocabulary)
    assert trained.vocabulary.decode([4, 5]).startswith("A")


def test_subwords_of_another_size(subword_run):
    SubwordVocabulary.train(["AB"], 7).save(subword_run / "tokenizer.model")
    with pytest.raises(InputError, match=r"tokenizer\.model: 7 tokens.*6 outputs"):
        load_run(subword_run)


def test_two_vocabularies_are_one_too_many(run_copy):
    SubwordVocabulary.train(["A"], 6).save(run_copy / "tokenizer.model")
    with pytest.raises(InputError, match="both"):
        load_run(run_copy)
