"""SpeechBrain's Conformer as an external system, and ours in SpeechBrain's recipes."""

from pathlib import Path

import pytest
import torch
from hyperpyyaml import load_hyperpyyaml
from speechbrain.lobes.models.transformer.TransformerASR import EncoderWrapper
from speechbrain.nnet.losses import ctc_loss, nll_loss
from speechbrain.utils.dynamic_chunk_training import DynChunkTrainConfig

from lact_modules.encoders import CTCModel
from lact_modules.errors import InputError
from lact_modules.frontends import MelFrontend
from lact_modules.integrations.speechbrain import TransformerASR
from lact_modules.layers import LaCTMixer

FRAGMENT = Path(__file__).parents[3] / "hparams/encoder/speechbrain_conformer.yaml"
D_MODEL, NUM_FRAMES = 32, [23, 9]


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    system = f"system: !include:{FRAGMENT}\n    d_model: {D_MODEL}"
    return load_hyperpyyaml(system)["system"].eval()


def make_batch():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, max(NUM_FRAMES), D_MODEL, generator=generator)
    return x, torch.tensor(NUM_FRAMES)


def test_encodes_and_leaves_padding_zero(encoder):
    x, lengths = make_batch()
    output, output_lengths = encoder(x, lengths)
    assert output.shape == x.shape
    assert output.isfinite().all()
    assert output_lengths.tolist() == NUM_FRAMES
    assert output[1, NUM_FRAMES[1] :].count_nonzero() == 0


def test_serves_a_recognizer(encoder):
    model = CTCModel(MelFrontend(D_MODEL, channels=4), encoder, num_tokens=5)
    log_probs, lengths = model(torch.randn(2, 8000), torch.tensor([8000, 4000]))
    log_probs.sum().backward()
    assert log_probs.shape == (2, 13, 5)
    assert lengths.tolist() == [13, 7]
    assert all(p.grad is not None for p in model.parameters())


@pytest.mark.xfail(
    strict=True, raises=AssertionError, reason="its convolutions look into the padding"
)
def test_alone_equals_in_a_batch(encoder):
    x, lengths = make_batch()
    together, _ = encoder(x, lengths)
    alone, _ = encoder(x[1:, : NUM_FRAMES[1]], lengths[1:])
    torch.testing.assert_close(
        alone, together[1:, : NUM_FRAMES[1]], atol=1e-5, rtol=1e-4
    )


RECIPE = """
d_model: 32
transformer: !new:lact_modules.integrations.speechbrain.TransformerASR
    input_size: 160
    tgt_vocab: 9
    d_model: !ref <d_model>
    nhead: 4
    num_encoder_layers: 3
    num_decoder_layers: 1
    d_ffn: 64
    dropout: 0.0
    activation: !name:torch.nn.GELU
    encoder_module: conformer
    attention_type: RelPosMHAXL
    normalize_before: True
    causal: False
compute_features: !new:speechbrain.lobes.features.Fbank
    n_mels: 40
front_end: !new:speechbrain.lobes.models.convolution.ConvolutionFrontEnd
    input_shape: [8, 10, 40]
    num_blocks: 2
    num_layers_per_block: 1
    out_channels: [4, 16]
    kernel_sizes: [3, 3]
    strides: [2, 2]
    residuals: [False, False]
encoder: !new:speechbrain.lobes.models.transformer.TransformerASR.EncoderWrapper
    transformer: !ref <transformer>
ctc_lin: !new:speechbrain.nnet.linear.Linear
    input_size: !ref <d_model>
    n_neurons: 9
seq_lin: !new:speechbrain.nnet.linear.Linear
    input_size: !ref <d_model>
    n_neurons: 9
model: !new:torch.nn.ModuleList
    - [!ref <front_end>, !ref <transformer>, !ref <ctc_lin>, !ref <seq_lin>]
search: !new:speechbrain.decoders.S2STransformerGreedySearcher
    modules: [!ref <transformer>, !ref <seq_lin>]
    bos_index: 1
    eos_index: 2
    min_decode_ratio: 0.0
    max_decode_ratio: 1.0
"""
WAV_LENS, TARGETS = torch.tensor([1.0, 0.5]), torch.tensor([[3, 4, 5], [6, 7, 2]])


def build(text=RECIPE, **overrides):
    torch.manual_seed(0)
    return load_hyperpyyaml(text, overrides)


def make_frames(recipe):
    waveforms = torch.randn(2, 16000, generator=torch.Generator().manual_seed(0))
    return recipe["front_end"](recipe["compute_features"](waveforms))


def take_steps(recipe, loss_of, num_steps=4):
    optimizer = torch.optim.AdamW(recipe["model"].parameters(), lr=1e-3)
    losses = []
    for _ in range(num_steps):
        loss = loss_of()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    return losses


def test_the_ctc_recipe_trains_with_another_class_path():
    recipe = build(RECIPE.replace("num_decoder_layers: 1", "num_decoder_layers: 0"))

    def loss_of():
        encoded = recipe["encoder"](make_frames(recipe), WAV_LENS)
        log_probs = recipe["ctc_lin"](encoded).log_softmax(-1)
        return ctc_loss(log_probs, TARGETS, WAV_LENS, torch.ones(2), blank_index=0)

    losses = take_steps(recipe, loss_of)
    assert losses[-1] < losses[0]
    grads = {n: p.grad for n, p in recipe["transformer"].encoder.named_parameters()}
    assert grads
    assert [name for name, grad in grads.items() if grad is None] == []


def test_the_transformer_recipe_trains_and_searches():
    recipe = build()
    starts = torch.nn.functional.pad(TARGETS, (1, 0), value=1)
    ends = torch.nn.functional.pad(TARGETS, (0, 1), value=2)

    def loss_of():
        frames = make_frames(recipe)
        _, decoded = recipe["transformer"](frames, starts, WAV_LENS, pad_idx=0)
        log_probs = recipe["seq_lin"](decoded).log_softmax(-1)
        return nll_loss(log_probs, ends, torch.ones(2))

    losses = take_steps(recipe, loss_of)
    assert losses[-1] < losses[0]
    recipe["model"].eval()
    with torch.no_grad():
        encoded = recipe["transformer"].encode(make_frames(recipe), WAV_LENS)
        tokens, *_ = recipe["search"](encoded, WAV_LENS)
    assert len(tokens) == 2


def test_what_is_built_is_the_encoder_of_the_recipes_here():
    path = FRAGMENT.with_name("lact_conformer.yaml")
    size = "    d_model: 32\n    num_layers: 3\n    dropout: 0.0"
    ours = load_hyperpyyaml(f"system: !include:{path}\n{size}")["system"]
    theirs = build(RECIPE.replace("d_ffn: 64", "d_ffn: 128"))["transformer"].encoder
    assert str(theirs.encoder) == str(ours)


def test_fast_weights_begin_as_they_were_drawn():
    """SpeechBrain's classes draw all matrices anew after they are built."""
    encoder = build()["transformer"].encoder.encoder
    fresh = torch.cat([p.flatten() for n, p in encoder.named_parameters() if "up" in n])
    torch.manual_seed(1)
    alone = LaCTMixer(D_MODEL, 4, 4)
    drawn = torch.cat([p.flatten() for n, p in alone.named_parameters() if "up" in n])
    assert len(fresh) == len(drawn) > 0
    assert fresh.std().item() == pytest.approx(drawn.std().item(), rel=0.2)


def test_another_encoder_is_given_as_an_object():
    encoder = """
    encoder: !new:lact_modules.encoders.Encoder
        d_model: !ref <d_model>
        num_layers: 1
        mixer: !name:lact_modules.layers.mamba.BiMambaMixer
            d_model: !ref <d_model>
        ffn_out: !name:lact_modules.layers.FeedForward
            d_model: !ref <d_model>
            d_ffn: 64
"""
    text = RECIPE.replace("    causal: False\n", f"    causal: False{encoder}")
    model = build(text)["transformer"]
    assert model.encode(torch.randn(1, 5, 160)).shape == (1, 5, D_MODEL)
    with pytest.raises(ValueError, match=r"has d_model 16.*expected 32"):
        build(
            text.replace(
                "d_model: !ref <d_model>\n        num", "d_model: 16\n        num"
            )
        )


def test_padding_has_no_influence_in_speechbrains_recipes_either():
    model = build()["transformer"].eval()
    x = torch.randn(2, 24, 160)
    together = model.encode(x, WAV_LENS)
    alone = model.encode(x[1:, :12])
    torch.testing.assert_close(together[1:, :12], alone, atol=1e-5, rtol=1e-4)


def test_streams_by_speechbrains_methods():
    model = build()["transformer"].eval()
    x, config = torch.randn(2, 20, 160), DynChunkTrainConfig(8, 2)
    wrapped = EncoderWrapper(model)
    context = wrapped.make_streaming_context(config)
    with torch.no_grad():
        pieces = [wrapped.forward_streaming(each, context) for each in x.split(8, 1)]
        whole = wrapped(x, torch.ones(2), dynchunktrain_config=config)
        unlimited = wrapped(x, dynchunktrain_config=DynChunkTrainConfig(8))
    torch.testing.assert_close(torch.cat(pieces, dim=1), whole, atol=1e-5, rtol=1e-4)
    assert unlimited.shape == whole.shape
    with pytest.raises(ValueError, match="left_context_size None"):
        model.make_streaming_context(DynChunkTrainConfig(8))


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"causal": True}, "causal: true"),
        ({"output_hidden_states": True}, "output_hidden_states: true"),
        ({"encoder_module": "branchformer"}, "encoder_module 'branchformer'"),
    ],
)
def test_what_the_encoder_cannot_do_is_refused(options, line):
    with pytest.raises(InputError, match=line):
        TransformerASR(9, 160, D_MODEL, 4, 1, **options)
