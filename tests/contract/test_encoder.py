"""The contract that every encoder keeps; a new encoder is one more entry."""

from functools import partial

import pytest
import torch

from lact_modules.encoders import Encoder
from lact_modules.layers import (
    AttentionMixer,
    BiMambaMixer,
    ConvolutionModule,
    FeedForward,
    LaCTMixer,
)
from lact_modules.ops import UpdateRule

D_MODEL = 16
CHUNK = 4


def lact(**options):
    return partial(
        LaCTMixer, D_MODEL, **{"num_heads": 2, "num_lact_heads": 2, **options}
    )


def attention(**options):
    return partial(AttentionMixer, D_MODEL, num_heads=2, **options)


def mamba(**options):
    return partial(BiMambaMixer, D_MODEL, d_state=4, **options)


def transformer(mixer):
    return Encoder(
        D_MODEL, num_layers=2, mixer=mixer, ffn_out=partial(FeedForward, D_MODEL, 32)
    )


def conformer(mixer, causal=False):
    return Encoder(
        D_MODEL,
        num_layers=2,
        mixer=mixer,
        ffn_out=partial(FeedForward, D_MODEL, 32),
        ffn_in=partial(FeedForward, D_MODEL, 32),
        conv=partial(ConvolutionModule, D_MODEL, kernel_size=5, causal=causal),
    )


ENCODERS = {
    "lact_transformer": partial(transformer, lact()),
    "lact_conformer": partial(conformer, lact(num_lact_heads=4)),
    "lact_momentum_pre": partial(
        conformer,
        lact(
            num_lact_heads=4,
            mode="block",
            chunk_size=CHUNK,
            use_momentum=True,
            rule=UpdateRule(normalization="pre"),
        ),
    ),
    "lact_down": partial(transformer, lact(rule=UpdateRule(update="down"))),
    "lact_gradient_descent": partial(
        transformer, lact(rule=UpdateRule(optimizer="gradient_descent"))
    ),
    "lact_wide_no_rotation": partial(
        transformer, lact(hidden_ratio=2.0, rotate_fast=False)
    ),
    "fast_weights_alone": partial(transformer, lact(num_heads=0)),
    "attention_alone": partial(transformer, lact(num_lact_heads=0)),
    "lact_window": partial(transformer, lact(window=[3, 3])),
    "lact_block": partial(
        transformer, lact(mode="block", chunk_size=CHUNK, window=[8, 0])
    ),
    "lact_shifted": partial(
        conformer,
        lact(num_lact_heads=4, mode="shifted", chunk_size=CHUNK, window=[8, 0]),
        causal=True,
    ),
    "conformer_rope": partial(conformer, attention()),
    "conformer_rope_window": partial(conformer, attention(window=[3, 3])),
    "conformer_rope_causal": partial(conformer, attention(window=[8, 0]), causal=True),
    "conformer_relpos": partial(conformer, attention(positions="relpos")),
    "conformer_relpos_window": partial(
        conformer, attention(positions="relpos", window=[3, 3])
    ),
    "conformer_relpos_causal": partial(
        conformer, attention(positions="relpos", window=[8, 0]), causal=True
    ),
    "conmamba": partial(conformer, mamba()),
    "mamba_transformer": partial(transformer, mamba()),
    "mamba_causal": partial(conformer, mamba(bidirectional=False), causal=True),
}
CAUSAL = {
    "lact_shifted": 1,
    "lact_block": CHUNK,
    "conformer_rope_causal": 1,
    "conformer_relpos_causal": 1,
    "mamba_causal": 1,
}
"""Frames that a causal encoder may look at together."""

NUM_FRAMES = [23, 9, 14]

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


@pytest.fixture(params=DEVICES, autouse=True)
def device(request):
    """Make tensors and modules on each device in turn."""
    with torch.device(request.param):
        yield request.param


@pytest.fixture(params=ENCODERS)
def encoder(request, device):
    torch.manual_seed(0)
    return ENCODERS[request.param]().eval()


def make_batch():
    generator = torch.Generator("cpu").manual_seed(0)
    x = torch.randn(3, 23, D_MODEL, generator=generator, device="cpu")
    return x.to(torch.get_default_device()), torch.tensor(NUM_FRAMES)


def test_shapes_and_lengths(encoder):
    x, lengths = make_batch()
    output, output_lengths = encoder(x, lengths)
    assert output.shape == (3, 23, D_MODEL)
    assert output_lengths.tolist() == lengths.tolist()


def test_alone_equals_in_a_batch(encoder):
    x, lengths = make_batch()
    output, _ = encoder(x, lengths)
    for i, num_frames in enumerate(NUM_FRAMES):
        alone, _ = encoder(x[i : i + 1, :num_frames], lengths[i : i + 1])
        together = output[i : i + 1, :num_frames]
        torch.testing.assert_close(alone, together, atol=1e-4, rtol=1e-4)


def test_padding_may_hold_anything(encoder):
    x, lengths = make_batch()
    expected, _ = encoder(x, lengths)
    for i, num_frames in enumerate(NUM_FRAMES):
        x[i, num_frames:] = torch.nan
    output, _ = encoder(x, lengths)
    torch.testing.assert_close(output, expected)


def test_gradients_are_finite_and_none_reach_padding(encoder):
    x, lengths = make_batch()
    x.requires_grad_()
    output, _ = encoder(x, lengths)
    # the sum or the norm of a layer-normed frame is constant
    (output * torch.randn_like(output)).sum().backward()
    assert x.grad.isfinite().all()
    assert x.grad[0].abs().min() > 0
    for i, num_frames in enumerate(NUM_FRAMES):
        assert x.grad[i, num_frames:].count_nonzero() == 0
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_a_frame_and_an_empty_utterance_stay_finite(encoder):
    x, _ = make_batch()
    output, _ = encoder(x[:2, :1], torch.tensor([1, 0]))
    assert output.isfinite().all()


@pytest.mark.filterwarnings("ignore:shifted mode")
def test_saved_and_loaded_is_the_same(encoder, tmp_path, request):
    expected, _ = encoder(*make_batch())
    torch.save(encoder.state_dict(), tmp_path / "encoder.pt")
    torch.manual_seed(1)
    fresh = ENCODERS[request.node.callspec.params["encoder"]]().eval()
    fresh.load_state_dict(torch.load(tmp_path / "encoder.pt", weights_only=True))
    output, _ = fresh(*make_batch())
    torch.testing.assert_close(output, expected)


def test_bf16_autocast_is_near(encoder, device):
    expected, _ = encoder(*make_batch())
    with torch.autocast(device, torch.bfloat16):
        output, _ = encoder(*make_batch())
    error = (output.float() - expected).norm() / expected.norm()
    # Muon on chunks of a few frames amplifies rounding
    assert error < 0.1


@pytest.mark.parametrize("name", CAUSAL)
def test_nothing_leaks_from_the_future(name):
    torch.manual_seed(0)
    encoder = ENCODERS[name]().eval()
    x, lengths = make_batch()
    x.requires_grad_()
    output, _ = encoder(x[:1], lengths[:1])
    for frame in range(23):
        (gradient,) = torch.autograd.grad(output[0, frame, 0], x, retain_graph=True)
        # a chunk is seen as a whole
        horizon = (frame // CAUSAL[name] + 1) * CAUSAL[name]
        assert gradient[0, frame].count_nonzero() > 0
        assert gradient[0, horizon:].count_nonzero() == 0


def test_layers_start_from_different_weights():
    first, second = conformer(lact()).blocks
    assert not torch.equal(
        first.mixer.project_qkv.weight, second.mixer.project_qkv.weight
    )
