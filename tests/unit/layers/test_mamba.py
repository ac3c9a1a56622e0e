"""The Mamba mixer: its flip, transformers' layer with the same weights, its start."""

import pytest
import torch
from transformers import MambaConfig
from transformers.models.mamba.modeling_mamba import MambaMixer

from lact_modules.layers import BiMambaMixer
from lact_modules.layers.mamba import flip_valid


def padding(*lengths):
    return torch.arange(max(lengths)) >= torch.tensor(lengths)[:, None]


def test_valid_frames_are_flipped_and_padding_stays():
    x = torch.arange(30).reshape(3, 5, 2)
    flipped = flip_valid(x, padding(5, 3, 0))
    assert torch.equal(flipped[0], x[0].flip(0))
    assert torch.equal(flipped[1], torch.cat([x[1, :3].flip(0), x[1, 3:]]))
    assert torch.equal(flipped[2], x[2])
    assert torch.equal(flip_valid(flipped, padding(5, 3, 0)), x)


@pytest.mark.parametrize("num_frames", [1, 3, 40])
def test_forward_direction_is_that_of_transformers(num_frames):
    torch.manual_seed(0)
    mixer = BiMambaMixer(24, d_state=8, bidirectional=False)
    config = MambaConfig(
        hidden_size=24, state_size=8, conv_kernel=4, expand=2, num_hidden_layers=1
    )
    reference = MambaMixer(config, layer_idx=0).eval()
    state = mixer.state_dict()
    reference.load_state_dict(
        {name.removeprefix("forwards."): tensor for name, tensor in state.items()}
    )
    x = torch.randn(2, num_frames, 24)
    is_padding = torch.zeros(2, num_frames, dtype=torch.bool)
    torch.testing.assert_close(mixer(x, is_padding), reference(x), atol=1e-5, rtol=1e-5)


def test_directions_are_mirrored_and_averaged():
    torch.manual_seed(0)
    mixer = BiMambaMixer(8, d_state=4)
    one_way = BiMambaMixer(8, d_state=4, bidirectional=False)
    is_padding = padding(9, 9)
    x = torch.randn(2, 9, 8)

    def alone(direction, x):
        one_way.load_state_dict(
            {
                name.replace(direction, "forwards"): tensor
                for name, tensor in mixer.state_dict().items()
                if name.startswith(direction) or "proj" in name.split(".")[0]
            }
        )
        return one_way(x, is_padding)

    expected = alone("forwards", x) + alone("backwards", x.flip(1)).flip(1)
    torch.testing.assert_close(mixer(x, is_padding), expected / 2)


def test_steps_are_short_and_states_fade_at_the_start():
    direction = BiMambaMixer(64, d_state=4).forwards
    steps = torch.nn.functional.softplus(direction.dt_proj.bias)
    assert steps.min() >= 0.99e-3
    assert steps.max() <= 1.01e-1
    expected = torch.arange(1.0, 5.0).expand(128, 4)
    torch.testing.assert_close(direction.A_log.exp(), expected)


def test_rank_of_the_steps_is_a_sixteenth():
    assert BiMambaMixer(40).forwards.dt_proj.in_features == 3
    assert BiMambaMixer(40, dt_rank=7).forwards.dt_proj.in_features == 7


def test_compiling_does_not_unroll_the_scan():
    mixer = BiMambaMixer(8, d_state=4)
    sizes = []

    def backend(graph, _):
        sizes.append(len(graph.graph.nodes))
        return graph.forward

    x, is_padding = torch.randn(2, 90, 8), padding(90, 70)
    output = torch.compile(mixer, backend=backend)(x, is_padding)
    torch.testing.assert_close(output, mixer(x, is_padding))
    assert sizes
    assert max(sizes) < 90
