import json
import math
import re

import kenlm
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import (
    BertConfig,
    BertForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    GPT2Model,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from lact_modules.errors import InputError
from lact_modules.language_model.arpa import write_arpa
from lact_modules.language_model.language_model import CausalModel, KenLMModel
from lact_modules.language_model.ngram import estimate_ngrams

TEXTS = ["one two three", "", "two", "three three two one two one one three two"]
ARCHITECTURES = {
    "gpt2": (GPT2LMHeadModel, GPT2Config, {"n_embd": 16, "n_layer": 2, "n_head": 2}),
    "llama": (
        LlamaForCausalLM,
        LlamaConfig,
        {
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
        },
    ),
}


def save_tokenizer(folder, **specials):
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(
        vocab_size=40, special_tokens=["<unk>", "<s>", "</s>"], show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", **specials
    )
    fast.save_pretrained(folder)
    return fast


def save_model(folder, architecture="gpt2", context=64, **specials):
    """Save a random model that is anything but indifferent between tokens."""
    folder.mkdir()
    specials = specials or {"bos_token": "<s>", "eos_token": "</s>"}
    tokenizer = save_tokenizer(folder, **specials)
    model_class, config_class, sizes = ARCHITECTURES[architecture]
    torch.manual_seed(0)
    model = model_class(
        config_class(
            vocab_size=len(tokenizer), max_position_embeddings=context, **sizes
        )
    )
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    model.eval().save_pretrained(folder)
    return model, tokenizer


def step_by_step(model, ids):
    """Score ids[1:] one by one."""
    total = 0.0
    for place in range(1, len(ids)):
        logits = model(torch.tensor([ids[:place]])).logits[0, -1]
        total += logits.log_softmax(-1)[ids[place]].item()
    return total


@pytest.fixture(scope="module", params=ARCHITECTURES)
def saved(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lm") / request.param
    return folder, *save_model(folder, request.param)


def test_ngram_is_kenlm_in_natural_logarithms(tmp_path, capfd):
    path = tmp_path / "lm.arpa"
    write_arpa(path, estimate_ngrams(["ONE TWO", "TWO ONE", "ONE ONE"], order=2))
    known, unknown, empty = KenLMModel(path).log_probs(["ONE TWO", "ONE SIX", ""])
    assert capfd.readouterr().err == ""
    reference = kenlm.Model(str(path))
    assert known == pytest.approx(math.log(10) * reference.score("ONE TWO"))
    assert math.isfinite(unknown)
    assert unknown < known
    assert empty == pytest.approx(math.log(10) * reference.score("", eos=True))


def test_ngrams_are_loaded_in_silence(tmp_path, capfd):
    write_arpa(tmp_path / "lm.arpa", estimate_ngrams(["ONE TWO"], order=2))
    text = (tmp_path / "lm.arpa").read_text()
    # KenLM warns of this
    assert text.count("<unk>") == 1
    text = re.sub(r".*<unk>.*\n", "", text).replace("ngram 1=5", "ngram 1=4")
    (tmp_path / "lm.arpa").write_text(text)
    KenLMModel(tmp_path / "lm.arpa").log_probs(["ONE"])
    assert capfd.readouterr() == ("", "")


def test_faults_of_ngram_files(tmp_path):
    with pytest.raises(InputError, match=r"none\.arpa: no such language model"):
        KenLMModel(tmp_path / "none.arpa")
    (tmp_path / "bad.arpa").write_text("not an ARPA file\n")
    with pytest.raises(InputError, match=r"bad\.arpa: not a language model"):
        KenLMModel(tmp_path / "bad.arpa")


def test_causal_model_scores_each_token_and_the_end(saved):
    folder, model, tokenizer = saved
    scores = CausalModel(folder).log_probs(TEXTS)
    for text, score in zip(TEXTS, scores, strict=True):
        ids = [1, *tokenizer(text)["input_ids"], 2]
        assert score == pytest.approx(step_by_step(model, ids), abs=1e-4)


def test_no_text_influences_another(saved):
    lm = CausalModel(saved[0])
    together = lm.log_probs(TEXTS * 3)
    alone = [lm.log_probs([text])[0] for text in TEXTS]
    assert together == pytest.approx(alone * 3, abs=1e-4)
    assert len({round(score, 2) for score in alone}) == len(TEXTS)
    assert lm.log_probs([]) == []


def test_batches_are_bounded(saved, monkeypatch):
    lm = CausalModel(saved[0])
    whole = lm.log_probs(TEXTS)
    monkeypatch.setattr(
        "lact_modules.language_model.language_model._MAX_BATCH_TOKENS", 8
    )
    assert lm.log_probs(TEXTS) == pytest.approx(whole, abs=1e-4)


def test_a_text_beyond_the_context_is_scored_in_windows(tmp_path):
    model, tokenizer = save_model(tmp_path / "lm", context=8)
    text = " ".join(["one two three"] * 4)
    ids = [1, *tokenizer(text)["input_ids"], 2]
    assert len(ids) == 14
    # 7 tokens after the first, then windows of 8 that score 4 and 2 more
    expected = step_by_step(model, ids[:8])
    for end, num_scored in ((12, 4), (14, 2)):
        window = ids[end - 8 : end]
        expected += step_by_step(model, window)
        expected -= step_by_step(model, window[:-num_scored])
    [score] = CausalModel(tmp_path / "lm").log_probs([text])
    assert score == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", ["bos_token", "eos_token"])
def test_one_boundary_token_serves_as_both(tmp_path, name):
    model, tokenizer = save_model(tmp_path / "lm", **{name: "<s>"})
    ids = [1, *tokenizer("two one")["input_ids"], 1]
    [score] = CausalModel(tmp_path / "lm").log_probs(["two one"])
    assert score == pytest.approx(step_by_step(model, ids), abs=1e-4)


def test_lower_case_is_chosen(saved):
    upper = [text.upper() for text in TEXTS]
    expected = CausalModel(saved[0]).log_probs(TEXTS)
    lowercase = CausalModel(saved[0], lowercase=True)
    assert lowercase.log_probs(upper) == pytest.approx(expected, abs=1e-4)
    as_it_is = CausalModel(saved[0]).log_probs(upper)
    assert as_it_is != pytest.approx(expected, abs=0.1)


def test_loading_is_silent(saved, capfd):
    CausalModel(saved[0])
    assert capfd.readouterr() == ("", "")


def test_a_tokenizer_without_boundaries_is_refused(tmp_path):
    save_model(tmp_path / "lm", pad_token="<unk>")
    with pytest.raises(InputError, match="neither BOS nor EOS"):
        CausalModel(tmp_path / "lm")


def test_a_model_that_looks_ahead_is_refused(tmp_path):
    tokenizer = save_tokenizer(tmp_path, bos_token="<s>")
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        initializer_range=0.5,
    )
    BertForMaskedLM(config).save_pretrained(tmp_path)
    with pytest.raises(InputError, match="sees words to come"):
        CausalModel(tmp_path)


def test_half_a_model_is_refused(tmp_path):
    model, _ = save_model(tmp_path / "lm")
    # tied to the embedding otherwise
    model.config.tie_word_embeddings = False
    GPT2Model(model.config).save_pretrained(tmp_path / "lm")
    with pytest.raises(InputError, match=r"lack lm_head\.weight"):
        CausalModel(tmp_path / "lm")


def test_damaged_folders_are_named(tmp_path):
    with pytest.raises(InputError, match=f"{tmp_path}: transformers cannot load"):
        CausalModel(tmp_path)
    model, _ = save_model(tmp_path / "lm")
    weights = tmp_path / "lm" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(InputError, match="transformers cannot load"):
        CausalModel(tmp_path / "lm")
    weights.unlink()
    torch.save(model.state_dict(), tmp_path / "lm" / "pytorch_model.bin")
    with pytest.raises(InputError, match="safetensors"):
        CausalModel(tmp_path / "lm")


def test_no_code_of_the_folder_is_run(tmp_path):
    save_model(tmp_path / "lm")
    config = json.loads((tmp_path / "lm" / "config.json").read_text())
    config.update(model_type="own", auto_map={"AutoConfig": "own.Own"})
    (tmp_path / "lm" / "config.json").write_text(json.dumps(config))
    (tmp_path / "lm" / "own.py").write_text(
        f"open({str(tmp_path / 'run')!r}, 'w').close()"
    )
    with pytest.raises(InputError, match="transformers cannot load"):
        CausalModel(tmp_path / "lm")
    assert not (tmp_path / "run").exists()
