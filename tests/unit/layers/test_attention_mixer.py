"""The Conformer's mixer: both kinds of positions, windows, faults."""

import pytest
import torch

from lact_modules.layers import AttentionMixer, LaCTMixer


def no_padding(x):
    return torch.zeros(x.shape[:2], dtype=torch.bool)


@pytest.mark.parametrize("window", [(None, None), (3, 1)])
def test_rope_is_the_attention_of_lact(window):
    torch.manual_seed(0)
    lact = LaCTMixer(16, num_heads=2, num_lact_heads=0, window=window)
    mixer = AttentionMixer(16, num_heads=2, window=window)
    mixer.load_state_dict(lact.state_dict())
    x = torch.randn(2, 9, 16)
    is_padding = torch.arange(9) >= torch.tensor([[9], [6]])
    torch.testing.assert_close(mixer(x, is_padding), lact(x, is_padding))


@pytest.mark.parametrize("positions", ["rope", "relpos"])
@pytest.mark.parametrize(
    ("window", "seen"), [((None, None), range(9)), ((2, 1), range(2, 6))]
)
def test_a_window_bounds_what_is_seen(positions, window, seen):
    torch.manual_seed(0)
    mixer = AttentionMixer(16, num_heads=2, positions=positions, window=window)
    x = torch.randn(1, 9, 16, requires_grad=True)
    mixer(x, no_padding(x))[0, 4].sum().backward()
    reached = x.grad[0].abs().sum(-1).nonzero().flatten()
    assert reached.tolist() == list(seen)


@pytest.mark.parametrize("positions", ["rope", "relpos"])
def test_the_order_of_frames_matters(positions):
    torch.manual_seed(0)
    mixer = AttentionMixer(16, num_heads=2, positions=positions)
    x = torch.randn(1, 9, 16)
    backward = mixer(x.flip(1), no_padding(x)).flip(1)
    assert (mixer(x, no_padding(x)) - backward).abs().max() > 1e-3


@pytest.mark.parametrize("positions", ["rope", "relpos"])
def test_drops_weights_in_training_alone(positions):
    torch.manual_seed(0)
    mixer = AttentionMixer(16, num_heads=2, positions=positions, dropout=0.5)
    x = torch.randn(1, 9, 16)
    first, second = mixer(x, no_padding(x)), mixer(x, no_padding(x))
    assert not torch.equal(first, second)
    mixer.eval()
    assert torch.equal(mixer(x, no_padding(x)), mixer(x, no_padding(x)))


@pytest.mark.parametrize("positions", ["rope", "relpos"])
def test_every_parameter_learns(positions):
    torch.manual_seed(0)
    mixer = AttentionMixer(16, num_heads=2, positions=positions)
    x = torch.randn(2, 9, 16)
    (mixer(x, no_padding(x)) * torch.randn(2, 9, 16)).sum().backward()
    for name, parameter in mixer.named_parameters():
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_heads": 3}, "multiple of 2 x 3"),
        ({"num_heads": 2, "positions": "rotary"}, "choose 'rope' or 'relpos'"),
    ],
)
def test_impossible_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        AttentionMixer(16, **options)
