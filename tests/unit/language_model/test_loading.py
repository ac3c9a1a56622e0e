import math

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from lact_modules.errors import InputError
from lact_modules.language_model.arpa import write_arpa
from lact_modules.language_model.loading import load_language_model
from lact_modules.language_model.ngram import estimate_ngrams
from lact_modules.language_model.transformer_lm import TransformerLanguageModel


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory):
    """Save a random model of three words in lower case."""
    folder = tmp_path_factory.mktemp("gpt2")
    words = {"<unk>": 0, "<s>": 1, "one": 2, "two": 3, "ten": 4}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>"
    ).save_pretrained(folder)
    config = GPT2Config(vocab_size=5, n_positions=16, n_embd=8, n_layer=1, n_head=2)
    GPT2LMHeadModel(config).save_pretrained(folder)
    return folder


def test_a_file_is_an_ngram(tmp_path):
    path = tmp_path / "lm.arpa"
    write_arpa(path, estimate_ngrams(["ONE TWO"], order=2))
    [likely, unlikely] = load_language_model(path).log_probs(["ONE TWO", "TWO"])
    assert likely > unlikely


def test_a_folder_of_transformers_reads_the_requested_case(gpt2):
    as_they_are = load_language_model(gpt2)
    lower = load_language_model(str(gpt2), lowercase=True)
    [score] = lower.log_probs(["ONE TWO"])
    assert [score] == as_they_are.log_probs(["one two"])
    assert not math.isclose(score, *as_they_are.log_probs(["ONE TWO"]))


def test_other_folders_and_published_names_are_the_transformer_of_speechbrain(
    tmp_path, monkeypatch
):
    asked = []

    def from_folder(folder, device):
        asked.append((str(folder), device))

    monkeypatch.setattr(TransformerLanguageModel, "from_folder", from_folder)
    name = "speechbrain/asr-transformer-transformerlm-librispeech"
    for path in (tmp_path, name):
        load_language_model(path, "cpu")
    assert asked == [(str(tmp_path), "cpu"), (name, "cpu")]


def test_a_mistyped_path_is_not_requested_elsewhere():
    with pytest.raises(InputError, match=r"runs/lm: no such language model"):
        load_language_model("runs/lm")
