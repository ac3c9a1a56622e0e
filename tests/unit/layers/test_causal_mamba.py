"""Mamba in a text decoder: transformers' layer, pieces, and padding at the front."""

import pytest
import torch

from lact_modules.layers import BiMambaMixer, CausalMamba, CrossMamba
from lact_modules.layers.causal_mamba import align_right


def padding(*lengths):
    return torch.arange(max(lengths)) >= torch.tensor(lengths)[:, None]


def test_it_is_the_forward_half_of_the_encoders_mixer():
    torch.manual_seed(0)
    mixer = CausalMamba(8, d_state=4)
    one_way = BiMambaMixer(8, d_state=4, bidirectional=False)
    one_way.load_state_dict(
        {
            name.replace("scan.", "forwards."): tensor
            for name, tensor in mixer.state_dict().items()
        }
    )
    x = torch.randn(2, 9, 8)
    torch.testing.assert_close(mixer(x), one_way(x, padding(9, 9)))


@pytest.mark.parametrize("d_conv", [1, 4])
def test_token_by_token_equals_all_at_once(d_conv):
    torch.manual_seed(0)
    mixer, x = CausalMamba(8, d_state=4, d_conv=d_conv), torch.randn(2, 6, 8)
    state, outputs = mixer.start(batch_size=2), []
    for token in x.unbind(1):
        y, state = mixer.step(token, state)
        outputs.append(y)
    expected = mixer(x)
    torch.testing.assert_close(torch.stack(outputs, 1), expected, atol=1e-5, rtol=1e-5)


def test_memory_is_read_as_if_it_stood_before_the_tokens():
    torch.manual_seed(0)
    mixer = CrossMamba(8, d_state=4)
    memory, x = torch.randn(2, 7, 8), torch.randn(2, 3, 8)
    memory[1, 2:] = 0.0
    y = mixer(x, memory, padding(7, 2))
    for i, length in enumerate((7, 2)):
        joined = torch.cat([memory[i : i + 1, :length], x[i : i + 1]], dim=1)
        expected = mixer.mamba(joined)[:, length:]
        torch.testing.assert_close(y[i : i + 1], expected, atol=1e-5, rtol=1e-5)


def test_valid_frames_move_to_the_right_in_their_order():
    x = torch.arange(30).reshape(3, 5, 2)
    aligned = align_right(x, padding(5, 3, 0))
    assert torch.equal(aligned[0], x[0])
    assert torch.equal(aligned[1, 2:], x[1, :3])
    assert torch.equal(aligned[1, :2].sort(0).values, x[1, 3:])
