"""A Transformer language model token by token: the scores of whole texts."""

import pytest
import torch
from speechbrain.lobes.models.transformer.TransformerLM import TransformerLM

from lact_modules.errors import InputError
from lact_modules.language_model.token_model import RereadingModel
from lact_modules.language_model.transformer_lm_steps import by_token

NUM_TOKENS = 14
ARCHITECTURES = {
    "published": {"activation": torch.nn.GELU},
    "pre-norm": {"normalize_before": True},
    "small embeddings": {"d_embedding": 6},
    "rotary": {"attention_type": "RoPEMHA"},
}


def make_model(**options):
    torch.manual_seed(0)
    sizes = {"d_model": 16, "nhead": 2, "num_encoder_layers": 3, "d_ffn": 32}
    model = TransformerLM(NUM_TOKENS, **sizes, max_length=20, **options).eval()
    with torch.no_grad():
        # biases are zero at first
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return model


def draw(*shape):
    return torch.randint(1, NUM_TOKENS, shape)


@pytest.mark.parametrize("name", ARCHITECTURES)
@torch.inference_mode()
def test_tokens_have_the_scores_of_whole_texts(name):
    model = make_model(**ARCHITECTURES[name])
    lm = by_token(model)
    assert isinstance(lm, RereadingModel) == (name == "rotary")
    texts, state = torch.zeros(3, 0, dtype=torch.int64), lm.start(batch_size=3)
    for _ in range(18):
        tokens = draw(len(texts))
        log_probs, after = lm.step(tokens, state)
        # what is given stays as it is
        again, _ = lm.step(tokens, state)
        assert torch.equal(log_probs, again)
        texts = torch.cat([texts, tokens[:, None]], dim=1)
        expected = model(texts)[:, -1].log_softmax(dim=-1)
        torch.testing.assert_close(log_probs, expected, atol=1e-5, rtol=0)
        # as a beam continues: in another order, some twice, more or fewer
        rows = torch.randint(len(texts), (int(torch.randint(1, 7, ())),))
        texts, state = texts[rows], after.select(rows)


@torch.inference_mode()
def test_each_token_is_read_once():
    model = make_model()
    read = []
    model.custom_src_module.register_forward_hook(
        lambda module, tokens, output: read.append(tokens[0].numel())
    )
    lm = by_token(model)
    state = lm.start(batch_size=4)
    for _ in range(10):
        _, state = lm.step(draw(4), state)
    assert read == [4] * 10


@torch.inference_mode()
def test_weights_are_shared_and_the_model_stays_as_it_is():
    model, texts = make_model(), draw(2, 5)
    before, size = model(texts), sum(p.numel() for p in model.parameters())
    lm = by_token(model)
    assert torch.equal(model(texts), before)
    assert sum(p.numel() for p in model.parameters()) == size
    for parameter in model.parameters():
        parameter += 0.1
    log_probs, _ = lm.step(texts[:, 0], lm.start(batch_size=2))
    expected = model(texts[:, :1])[:, -1].log_softmax(dim=-1)
    torch.testing.assert_close(log_probs, expected, atol=1e-5, rtol=0)


@torch.inference_mode()
def test_a_text_longer_than_the_model_reads_is_refused():
    lm = by_token(make_model())
    state = lm.start(batch_size=1)
    for _ in range(20):
        _, state = lm.step(draw(1), state)
    with pytest.raises(InputError, match="texts of 20 tokens at most"):
        lm.step(draw(1), state)
