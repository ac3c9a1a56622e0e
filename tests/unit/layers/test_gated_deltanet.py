"""The Gated DeltaNet mixer: transformers' layer with the same weights, its start."""

import pytest
import torch
from torch.nn.functional import softplus

from lact_modules.layers import GatedDeltaNetMixer
from lact_modules.layers.chunking import Chunking
from tests.references import import_qwen3_next

D_MODEL, HEADS, KEY, VALUE = 24, 3, 4, 8


def no_padding(x):
    return torch.zeros(x.shape[:2], dtype=torch.bool)


def make_reference():
    """Make transformers' layer, and ours, with the same weights."""
    qwen3_next = import_qwen3_next()
    config = qwen3_next.Qwen3NextConfig(
        hidden_size=D_MODEL,
        linear_num_key_heads=HEADS,
        linear_num_value_heads=HEADS,
        linear_key_head_dim=KEY,
        linear_value_head_dim=VALUE,
        rms_norm_eps=1e-5,
        num_hidden_layers=1,
        layer_types=["linear_attention"],
    )
    reference = qwen3_next.Qwen3NextGatedDeltaNet(config, layer_idx=0).eval()
    mixer = GatedDeltaNetMixer(D_MODEL, HEADS, expand=1.0, bidirectional=False)
    state = mixer.state_dict()
    sizes = [HEADS * each for each in (KEY, KEY, VALUE, VALUE, 1, 1)]
    *qkvz, strength, step = state.pop("in_proj.weight").split(sizes)

    def by_heads(parts):
        heads = [part.unflatten(0, (HEADS, -1)) for part in parts]
        return torch.cat(heads, dim=1).flatten(0, 1)

    state["in_proj_qkvz.weight"] = by_heads(qkvz)
    state["in_proj_ba.weight"] = by_heads([strength, step])
    reference.load_state_dict(state)
    return reference, mixer


@pytest.mark.parametrize("num_frames", [1, 3, 40])
def test_forward_direction_is_that_of_transformers(num_frames):
    torch.manual_seed(0)
    reference, mixer = make_reference()
    x = torch.randn(2, num_frames, D_MODEL)
    torch.testing.assert_close(
        mixer(x, no_padding(x)), reference(x), atol=1e-5, rtol=1e-5
    )


def test_directions_are_mirrored_and_averaged():
    torch.manual_seed(0)
    mixer = GatedDeltaNetMixer(8, num_heads=2, expand=1.0)
    # what is not gated may be added up
    torch.nn.init.zeros_(mixer.out_proj.weight[:, 1:].detach())
    x = torch.randn(2, 9, 8)
    expected = mixer(x, no_padding(x))
    names = ("A_log", "dt_bias", "conv1d.weight")
    turned = {
        name: torch.cat([*reversed(tensor.chunk(2))]) if name in names else tensor
        for name, tensor in mixer.state_dict().items()
    }
    qkv_and_gate, forwards, backwards = turned["in_proj.weight"].split([24, 4, 4])
    turned["in_proj.weight"] = torch.cat([qkv_and_gate, backwards, forwards])
    mixer.load_state_dict(turned)
    found = mixer(x.flip(1), no_padding(x)).flip(1)
    torch.testing.assert_close(found, expected)
    assert not torch.allclose(mixer(x, no_padding(x)), expected)


def test_it_learns_what_directions_share_and_what_is_their_own():
    torch.manual_seed(0)
    mixer, x = GatedDeltaNetMixer(8, num_heads=2), torch.randn(2, 9, 8)
    (mixer(x, no_padding(x)) * torch.randn(2, 9, 8)).sum().backward()
    for name, parameter in mixer.named_parameters():
        assert (parameter.grad != 0).all(), name


def test_steps_are_short_and_decays_differ_at_the_start():
    torch.manual_seed(0)
    mixer = GatedDeltaNetMixer(128, num_heads=32)
    steps, decays = softplus(mixer.dt_bias), mixer.A_log.exp()
    assert steps.min() >= 0.99e-3
    assert steps.max() <= 1.01e-1
    assert 0 < decays.min() < 1
    assert 15 < decays.max() <= 16


@pytest.mark.parametrize(("expand", "expected"), [(1.5, 6), (1.0, 4)])
def test_it_has_as_many_parameters_as_published_and_as_attention(expand, expected):
    mixer = GatedDeltaNetMixer(256, expand=expand)
    count = sum(parameter.numel() for parameter in mixer.parameters())
    assert count == pytest.approx(expected * 256**2, rel=0.05)


@pytest.mark.parametrize(
    "options", [{"num_heads": 5}, {"key_share": 0.3}, {"expand": 0.0}]
)
def test_heads_must_divide_keys_and_values(options):
    with pytest.raises(ValueError, match="must be multiples of num_heads"):
        GatedDeltaNetMixer(16, **options)


def test_both_directions_cannot_be_streamed():
    x = torch.randn(1, 4, 16)
    with pytest.raises(NotImplementedError, match="bidirectional=False"):
        GatedDeltaNetMixer(16).chunked(x, no_padding(x), Chunking(4, 0))


def test_compiling_does_not_unroll_the_chunks():
    mixer, sizes = GatedDeltaNetMixer(16), []

    def backend(graph, _):
        sizes.append(len(graph.graph.nodes))
        return graph.forward

    x = torch.randn(2, 300, 16)
    output = torch.compile(mixer, backend=backend)(x, no_padding(x))
    torch.testing.assert_close(output, mixer(x, no_padding(x)))
    assert sizes
    assert max(sizes) < 90
