"""What the contract of all encoders leaves open: blocks that training passes over."""

from functools import partial

import torch

from lact_modules.encoders import Encoder
from lact_modules.layers import AttentionMixer, FeedForward


def make(layer_drop):
    torch.manual_seed(0)
    mixer, ffn = partial(AttentionMixer, 8, 2), partial(FeedForward, 8, 16)
    return Encoder(8, 3, mixer, ffn, layer_drop=layer_drop)


def test_a_dropped_block_leaves_its_input():
    x, lengths = torch.randn(1, 5, 8), torch.tensor([5])
    encoder = make(layer_drop=1.0)
    output, _ = encoder.train()(x, lengths)
    torch.testing.assert_close(output, encoder.norm(x))


def test_blocks_are_dropped_as_often_as_asked():
    encoder = make(layer_drop=0.25).train()
    x, lengths = torch.randn(1, 5, 8), torch.tensor([5])
    calls = []
    for block in encoder.blocks:
        block.register_forward_hook(lambda *_: calls.append(1))
    for _ in range(200):
        encoder(x, lengths)
    assert 400 < len(calls) < 500


def test_evaluation_drops_nothing():
    x, lengths = torch.randn(1, 5, 8), torch.tensor([5])
    expected, _ = make(layer_drop=0.0).eval()(x, lengths)
    output, _ = make(layer_drop=0.9).eval()(x, lengths)
    torch.testing.assert_close(output, expected)
