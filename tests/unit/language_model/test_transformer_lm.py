import math
import shutil

import pytest
import torch
from hyperpyyaml import load_hyperpyyaml
from speechbrain.lobes.models.transformer.TransformerLM import TransformerLM
from speechbrain.utils.checkpoints import Checkpointer

from lact_modules.data.text.subwords import SubwordVocabulary
from lact_modules.errors import InputError
from lact_modules.language_model import transformer_lm
from lact_modules.language_model.transformer_lm import (
    TransformerLanguageModel,
    use_boolean_masks,
)
from lact_modules.model_store.model_builder import build_model

TEXTS = ["ONE", "TWO THREE TEN", "", "TEN TEN ONE TWO THREE THREE TWO ONE", "ONE"]

HYPERPARAMETERS = """
seed: !apply:os.system [touch marker]
avg_checkpoints: 1
model: !new:speechbrain.lobes.models.transformer.TransformerLM.TransformerLM
    vocab: 14
    d_model: 16
    nhead: 2
    num_encoder_layers: 2
    num_decoder_layers: 0
    d_ffn: 32
    dropout: 0.5
    activation: !name:torch.nn.GELU
    max_length: 30
"""
DESCRIPTION = {
    "class": "speechbrain.lobes.models.transformer.TransformerLM.TransformerLM",
    "arguments": {"vocab": 14, "d_model": 16, "nhead": 2, "num_encoder_layers": 1},
}


@pytest.fixture(scope="module")
def vocabulary():
    return SubwordVocabulary.train(["ONE TWO THREE TEN", "TEN TWO"], num_tokens=14)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return load_hyperpyyaml(HYPERPARAMETERS.replace("!apply:os.system", ""))["model"]


@pytest.fixture(scope="module")
def lm(model, vocabulary):
    return TransformerLanguageModel(model, vocabulary)


@pytest.fixture(scope="module")
def trained_run(model, vocabulary, tmp_path_factory):
    """Make a run whose best checkpoint by loss is not its newest; not to be changed."""
    folder = tmp_path_factory.mktemp("lm")
    (folder / "hyperparams.yaml").write_text(HYPERPARAMETERS)
    vocabulary.save(folder / "tokenizer.model")
    checkpointer = Checkpointer(folder / "save", {"model": model})
    checkpointer.save_checkpoint(meta={"loss": 1.0}, name="best")
    other = TransformerLM(14, 16, 2, 2, 0, 32, max_length=30)
    checkpointer.recoverables["model"] = other
    checkpointer.save_checkpoint(meta={"loss": 2.0}, name="newest")
    return folder


@pytest.fixture
def published(vocabulary, tmp_path, monkeypatch):
    """Make a folder such as SpeechBrain publishes, of a smaller architecture."""
    monkeypatch.setattr(transformer_lm, "PUBLISHED_MODEL", DESCRIPTION)
    folder = tmp_path / "published"
    folder.mkdir()
    model = TransformerLM(**DESCRIPTION["arguments"])
    torch.save(model.state_dict(), folder / "lm.ckpt")
    vocabulary.save(folder / "tokenizer.ckpt")
    return folder


def test_scores_each_token_by_those_before_it_and_the_end(lm, vocabulary):
    ids = [1, *vocabulary.encode("TWO TEN"), 2]
    with torch.no_grad():
        log_probs = lm.model(torch.tensor([ids[:-1]]))[0].log_softmax(dim=-1)
    expected = sum(log_probs[i, token].item() for i, token in enumerate(ids[1:]))
    assert lm.log_probs(["TWO TEN"]) == pytest.approx([expected], abs=1e-5)


def test_first_tokens_of_a_text_are_a_distribution(lm):
    with torch.no_grad():
        logits = lm.model(torch.tensor([[1]]))
    end = logits[0, 0].log_softmax(dim=-1)[2].item()
    assert lm.log_probs([""]) == pytest.approx([end], abs=1e-5)


def test_a_batch_does_not_change_a_score(lm, monkeypatch):
    together = lm.log_probs(TEXTS)
    alone = [lm.log_probs([text])[0] for text in TEXTS]
    assert together == pytest.approx(alone, abs=1e-4)
    assert together[0] == pytest.approx(together[4], abs=1e-5)
    monkeypatch.setattr(transformer_lm, "_MAX_BATCH_TOKENS", 5)
    assert lm.log_probs(TEXTS) == pytest.approx(alone, abs=1e-4)
    assert lm.log_probs([]) == []


def test_unknown_characters_have_a_score(lm):
    scores = lm.log_probs(["one", "ONE"])
    assert all(math.isfinite(score) for score in scores)


def test_a_text_too_long_is_named(lm):
    with pytest.raises(InputError, match=r"'TEN TEN.* the model reads 30"):
        lm.log_probs(["ONE", "TEN " * 30])


def test_a_run_is_loaded_by_its_loss_and_runs_nothing(trained_run, lm, monkeypatch):
    monkeypatch.chdir(trained_run)
    loaded = TransformerLanguageModel.from_folder(trained_run)
    assert loaded.log_probs(TEXTS) == pytest.approx(lm.log_probs(TEXTS), abs=1e-5)
    assert loaded.vocabulary == lm.vocabulary
    assert not (trained_run / "marker").exists()


def test_a_published_folder_is_loaded(published):
    model = TransformerLM(**DESCRIPTION["arguments"])
    model.load_state_dict(torch.load(published / "lm.ckpt", weights_only=True))
    expected = TransformerLanguageModel(
        model, SubwordVocabulary.load(published / "tokenizer.ckpt")
    )
    loaded = TransformerLanguageModel.from_folder(published)
    assert loaded.log_probs(TEXTS) == expected.log_probs(TEXTS)


def test_the_published_architecture_is_the_one_of_93_million_parameters():
    with torch.device("meta"):
        model = build_model(transformer_lm.PUBLISHED_MODEL)
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(93.3e6, rel=1e-3)


def test_a_name_on_the_hub_is_fetched(published, monkeypatch):
    asked = []

    def download(repository, file):
        asked.append((repository, file))
        return str(published / file)

    monkeypatch.setattr(transformer_lm.huggingface_hub, "hf_hub_download", download)
    loaded = TransformerLanguageModel.from_folder("someone/some-lm")
    assert asked == [("someone/some-lm", f) for f in ("lm.ckpt", "tokenizer.ckpt")]
    assert len(loaded.log_probs(TEXTS)) == len(TEXTS)


def test_a_hub_that_gives_nothing_is_one_line(monkeypatch):
    def fail(repository, file):
        raise ConnectionError("no route\nto the hub")

    monkeypatch.setattr(transformer_lm.huggingface_hub, "hf_hub_download", fail)
    with pytest.raises(InputError, match=r"someone/lm: .*\(no route\)"):
        TransformerLanguageModel.from_folder("someone/lm")


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(InputError, match="nowhere: no such folder"):
        TransformerLanguageModel.from_folder(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"neither lm\.ckpt nor"):
        TransformerLanguageModel.from_folder(tmp_path)


def test_a_pickle_that_runs_code_is_not_loaded(published):
    class Hostile:
        def __reduce__(self):
            return print, ("run",)

    torch.save({"weight": Hostile()}, published / "lm.ckpt")
    with pytest.raises(InputError, match=r"lm\.ckpt: not weights"):
        TransformerLanguageModel.from_folder(published)


def test_weights_of_another_architecture(published):
    torch.save(TransformerLM(14, 32, 2, 1).state_dict(), published / "lm.ckpt")
    with pytest.raises(InputError, match=r"published: weights: .* has shape"):
        TransformerLanguageModel.from_folder(published)


def test_a_tokenizer_of_another_size(published):
    SubwordVocabulary.train(["AB"], 7).save(published / "tokenizer.ckpt")
    with pytest.raises(InputError, match="14 outputs, its tokenizer 7 tokens"):
        TransformerLanguageModel.from_folder(published)


def test_a_run_of_another_model(trained_run, tmp_path):
    folder = shutil.copytree(trained_run, tmp_path / "run")
    text = "model: !new:torch.nn.LayerNorm [16]\n"
    (folder / "hyperparams.yaml").write_text(text)
    for checkpoint in folder.glob("save/*/model.ckpt"):
        torch.save(torch.nn.LayerNorm(16).state_dict(), checkpoint)
    with pytest.raises(InputError, match="LayerNorm is described, not a TransformerLM"):
        TransformerLanguageModel.from_folder(folder)


@pytest.mark.parametrize(
    "options", [{"attention_type": "hypermixing"}, {"num_decoder_layers": 1}]
)
def test_a_model_that_sees_what_follows_is_refused(published, monkeypatch, options):
    arguments = {**DESCRIPTION["arguments"], "num_decoder_layers": 0, **options}
    description = {**DESCRIPTION, "arguments": arguments}
    monkeypatch.setattr(transformer_lm, "PUBLISHED_MODEL", description)
    torch.save(TransformerLM(**arguments).state_dict(), published / "lm.ckpt")
    with pytest.raises(InputError, match=r"published: .* sees the tokens"):
        TransformerLanguageModel.from_folder(published)


@pytest.mark.filterwarnings("error:Support for mismatched")
def test_masks_are_of_one_type_and_mask_the_same(vocabulary):
    model = build_model(DESCRIPTION).eval()
    tokens = torch.tensor([[1, 5, 2, 7], [1, 3, 0, 0]])
    with pytest.warns(UserWarning, match="Support for mismatched"):
        expected = model(tokens)
    use_boolean_masks(model)
    assert model(tokens).equal(expected)
    lm = TransformerLanguageModel(model, vocabulary)
    assert len(lm.log_probs(TEXTS)) == len(TEXTS)
