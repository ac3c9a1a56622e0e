"""The model of two branches: its CTC half, its padding, and building it from data."""

from functools import partial

import pytest
import torch

from lact_modules.decoders import TextDecoder
from lact_modules.encoders import CTCModel, Encoder, S2SModel
from lact_modules.frontends import MelFrontend
from lact_modules.layers import CausalAttention, CrossAttention, FeedForward, LaCTMixer
from lact_modules.model_store.model_builder import build_model

NUM_TOKENS = 7
SAMPLES = [8000, 3200]


def make_parts():
    torch.manual_seed(0)
    ffn = partial(FeedForward, 8, 16)
    return MelFrontend(8), Encoder(8, 1, partial(LaCTMixer, 8, 2, 2), ffn)


@pytest.fixture
def model():
    mixers = partial(CausalAttention, 8, 2), partial(CrossAttention, 8, 2)
    decoder = TextDecoder(8, 1, NUM_TOKENS, *mixers, partial(FeedForward, 8, 16))
    return S2SModel(*make_parts(), decoder, NUM_TOKENS).eval()


def make_batch():
    generator = torch.Generator().manual_seed(0)
    waveform = torch.randn(2, max(SAMPLES), generator=generator)
    return waveform, torch.tensor(SAMPLES), torch.tensor([[1, 4, 5], [1, 3, 0]])


def test_its_ctc_branch_is_that_of_a_ctc_model(model):
    waveform, lengths, tokens = make_batch()
    ctc = CTCModel(*make_parts(), NUM_TOKENS).eval()
    ctc.output.load_state_dict(model.output.state_dict())
    log_probs, num_frames = ctc(waveform, lengths)
    output = model(waveform, lengths, tokens=tokens)
    torch.testing.assert_close(output.log_probs, log_probs)
    assert output.lengths.tolist() == num_frames.tolist()
    assert isinstance(model, CTCModel)
    assert model.frame_rate == ctc.frame_rate


def test_tokens_are_scored_on_request_alone(model):
    waveform, lengths, tokens = make_batch()
    output = model(waveform, lengths)
    assert output.token_log_probs is None
    scored = model(waveform, lengths, tokens=tokens)
    expected = model.decoder(tokens, output.memory, output.lengths)
    torch.testing.assert_close(scored.token_log_probs, expected)


def test_features_are_augmented_for_both_branches(model):
    waveform, lengths, tokens = make_batch()
    plain = model(waveform, lengths, tokens=tokens)
    changed = model(waveform, lengths, lambda x, _: torch.zeros_like(x), tokens)
    for before, after in zip(plain, changed, strict=True):
        if before.is_floating_point():
            assert not torch.allclose(before, after)


def test_alone_equals_in_a_batch_with_nan_as_padding(model):
    waveform, lengths, tokens = make_batch()
    waveform[1, SAMPLES[1] :] = torch.nan
    together = model(waveform, lengths, tokens=tokens)
    alone = model(waveform[1:, : SAMPLES[1]], lengths[1:], tokens=tokens[1:, :2])
    num_frames = int(together.lengths[1])
    torch.testing.assert_close(
        together.log_probs[1:, :num_frames], alone.log_probs, atol=1e-4, rtol=1e-4
    )
    torch.testing.assert_close(
        together.token_log_probs[1:, :2], alone.token_log_probs, atol=1e-4, rtol=1e-4
    )


def test_both_branches_train_the_encoder(model):
    waveform, lengths, tokens = make_batch()
    output = model(waveform, lengths, tokens=tokens)
    for branch in (output.log_probs, output.token_log_probs):
        model.zero_grad()
        branch[..., 0].sum().backward(retain_graph=True)
        weight = model.encoder.blocks[0].mixer.project_qkv.weight
        assert weight.grad.abs().sum() > 0


def test_it_is_built_from_plain_data(model):
    def call(name, *arguments, how="class"):
        return {how: f"lact_modules.{name}", "arguments": list(arguments)}

    def make(name, *arguments):
        return call(f"layers.{name}", *arguments, how="partial")

    ffn = make("FeedForward", 8, 16)
    decoder = call(
        "decoders.TextDecoder",
        *(8, 1, NUM_TOKENS),
        make("CausalAttention", 8, 2),
        make("CrossAttention", 8, 2),
        ffn,
    )
    encoder = call("encoders.Encoder", 8, 1, make("LaCTMixer", 8, 2, 2), ffn)
    built = build_model(
        call(
            "encoders.S2SModel",
            call("frontends.MelFrontend", 8),
            encoder,
            decoder,
            NUM_TOKENS,
        )
    )
    built.load_state_dict(model.state_dict())
    waveform, lengths, tokens = make_batch()
    expected = model(waveform, lengths, tokens=tokens)
    found = built.eval()(waveform, lengths, tokens=tokens)
    torch.testing.assert_close(found.token_log_probs, expected.token_log_probs)
