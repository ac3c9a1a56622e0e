"""The contract that every encoder keeps; a new encoder is one more entry."""

from functools import partial

import pytest
import torch

from lact_modules.encoders import Encoder
from lact_modules.layers import ConvolutionModule, FeedForward, LaCTMixer
from lact_modules.ops import UpdateRule

D_MODEL = 16
CHUNK = 4


def transformer(**mixer_options):
    options = {"num_heads": 2, "num_lact_heads": 2, **mixer_options}
    return Encoder(
        D_MODEL,
        num_layers=2,
        mixer=partial(LaCTMixer, D_MODEL, **options),
        ffn_out=partial(FeedForward, D_MODEL, 32),
    )


def conformer(causal=False, **mixer_options):
    options = {"num_heads": 2, "num_lact_heads": 4, **mixer_options}
    return Encoder(
        D_MODEL,
        num_layers=2,
        mixer=partial(LaCTMixer, D_MODEL, **options),
        ffn_out=partial(FeedForward, D_MODEL, 32),
        ffn_in=partial(FeedForward, D_MODEL, 32),
        conv=partial(ConvolutionModule, D_MODEL, kernel_size=5, causal=causal),
    )


ENCODERS = {
    "lact_transformer": transformer,
    "lact_conformer": conformer,
    "lact_momentum_pre": partial(
        conformer,
        mode="block",
        chunk_size=CHUNK,
        use_momentum=True,
        rule=UpdateRule(normalization="pre"),
    ),
    "lact_down": partial(transformer, rule=UpdateRule(update="down")),
    "lact_gradient_descent": partial(
        transformer, rule=UpdateRule(optimizer="gradient_descent")
    ),
    "lact_wide_no_rotation": partial(transformer, hidden_ratio=2.0, rotate_fast=False),
    "fast_weights_alone": partial(transformer, num_heads=0),
    "attention_alone": partial(transformer, num_lact_heads=0),
    "lact_window": partial(transformer, window=[3, 3]),
    "lact_block": partial(transformer, mode="block", chunk_size=CHUNK, window=[8, 0]),
    "lact_shifted": partial(
        conformer, causal=True, mode="shifted", chunk_size=CHUNK, window=[8, 0]
    ),
}
CAUSAL = {"lact_shifted": 1, "lact_block": CHUNK}
"""Frames that a causal encoder may look at together."""

LENGTHS = torch.tensor([23, 9, 14])


@pytest.fixture(params=ENCODERS)
def encoder(request):
    torch.manual_seed(0)
    return ENCODERS[request.param]().eval()


def make_batch():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(3, 23, D_MODEL, generator=generator)


def valid(output, lengths):
    return [frames[:n] for frames, n in zip(output, lengths, strict=True)]


def test_shapes_and_lengths(encoder):
    output, lengths = encoder(make_batch(), LENGTHS)
    assert output.shape == (3, 23, D_MODEL)
    assert lengths.tolist() == LENGTHS.tolist()


def test_alone_equals_in_a_batch(encoder):
    x = make_batch()
    output, _ = encoder(x, LENGTHS)
    for i, together in enumerate(valid(output, LENGTHS)):
        length = LENGTHS[i : i + 1]
        alone, _ = encoder(x[i : i + 1, : length.item()], length)
        torch.testing.assert_close(alone[0], together, atol=1e-5, rtol=1e-4)


def test_padding_may_hold_anything(encoder):
    x = make_batch()
    expected, _ = encoder(x, LENGTHS)
    for i, length in enumerate(LENGTHS):
        x[i, length:] = torch.nan
    output, _ = encoder(x, LENGTHS)
    torch.testing.assert_close(output, expected)


def test_gradients_are_finite_and_reach_every_parameter(encoder):
    x = make_batch().requires_grad_()
    output, _ = encoder(x, LENGTHS)
    output.square().sum().backward()
    assert x.grad.isfinite().all()
    for i, length in enumerate(LENGTHS):
        assert x.grad[i, length:].abs().max() == 0 if length < 23 else True
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_a_frame_and_an_empty_utterance_stay_finite(encoder):
    x = make_batch()[:2, :1]
    output, _ = encoder(x, torch.tensor([1, 0]))
    assert output.isfinite().all()


@pytest.mark.filterwarnings("ignore:shifted mode")
def test_saved_and_loaded_is_the_same(encoder, tmp_path, request):
    expected, _ = encoder(make_batch(), LENGTHS)
    torch.save(encoder.state_dict(), tmp_path / "encoder.pt")
    torch.manual_seed(1)
    fresh = ENCODERS[request.node.callspec.params["encoder"]]().eval()
    fresh.load_state_dict(torch.load(tmp_path / "encoder.pt", weights_only=True))
    output, _ = fresh(make_batch(), LENGTHS)
    torch.testing.assert_close(output, expected)


def test_bf16_autocast_is_near(encoder):
    expected, _ = encoder(make_batch(), LENGTHS)
    with torch.autocast("cpu", torch.bfloat16):
        output, _ = encoder(make_batch(), LENGTHS)
    error = (output.float() - expected).norm() / expected.norm()
    # Muon on chunks of a few frames amplifies rounding
    assert error < 0.1


@pytest.mark.parametrize("name", CAUSAL)
def test_nothing_leaks_from_the_future(name):
    torch.manual_seed(0)
    encoder = ENCODERS[name]().eval()
    x = make_batch()[:1].requires_grad_()
    output, _ = encoder(x, torch.tensor([23]))
    for frame in range(23):
        (gradient,) = torch.autograd.grad(output[0, frame].sum(), x, retain_graph=True)
        # a chunk is seen as a whole
        horizon = (frame // CAUSAL[name] + 1) * CAUSAL[name]
        assert gradient[0, horizon:].abs().max().item() == 0 if horizon < 23 else True


def test_layers_start_from_different_weights():
    first, second = conformer().blocks
    assert not torch.equal(
        first.mixer.project_qkv.weight, second.mixer.project_qkv.weight
    )
