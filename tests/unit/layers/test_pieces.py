"""Frames that are taken some at a time, where no gradients are kept."""

import pytest
import torch

from lact_modules.encoders.block import EncoderBlock
from lact_modules.layers import (
    AttentionMixer,
    ConvolutionModule,
    FeedForward,
    LaCTMixer,
    SummaryMixer,
)
from lact_modules.layers.pieces import by_pieces, sum_by_pieces
from lact_modules.ops import UpdateRule


class Watched(torch.nn.Linear):
    """Remembers how many frames it was given at once."""

    def forward(self, x):
        self.most = max(getattr(self, "most", 0), x.shape[:-1].numel())
        return super().forward(x)


@pytest.mark.parametrize("shape", [(1, 3000, 8), (3, 1000, 8), (2, 5, 8)])
def test_pieces_equal_the_whole(shape):
    torch.manual_seed(0)
    layer, x = Watched(8, 4), torch.randn(shape)
    whole = by_pieces(layer, x)
    assert layer.most == x.shape[:-1].numel()
    layer.most = 0
    with torch.inference_mode():
        torch.testing.assert_close(by_pieces(layer, x), whole)
    assert layer.most <= 1024


def sum_near(x, is_padding, left, right):
    """Sum each frame and those around it that are no padding."""
    x = x.masked_fill(is_padding[..., None], 0.0)
    near = torch.nn.functional.pad(x, (0, 0, left, right))
    return near.unfold(1, left + right + 1, 1).sum(-1)


@pytest.mark.parametrize("context", [(0, 0), (3, 0), (0, 5), (30, 2), (1500, 1500)])
@pytest.mark.parametrize("shape", [(1, 2051, 2), (3, 700, 2), (2, 1201, 2)])
def test_what_near_frames_decide_may_take_their_place(shape, context):
    torch.manual_seed(0)
    x, is_padding = torch.randn(shape), torch.rand(shape[:2]) < 0.2
    of_each, most = torch.randn(shape[0], 1, 2), []

    def change(x, is_padding, of_each):
        most.append(x.shape[1])
        return x + of_each * sum_near(x, is_padding, *context)

    whole = change(x, is_padding, of_each)
    options = dict(context=context, known=of_each)
    with torch.no_grad():
        apart = by_pieces(change, x.clone(), is_padding, **options)
        given = x.clone()
        inside = by_pieces(change, given, is_padding, overwrite=True, **options)
    torch.testing.assert_close(apart, whole)
    torch.testing.assert_close(inside, whole)
    assert inside.data_ptr() == given.data_ptr()
    assert len(most) > 3 or max(context) > 100


@pytest.mark.parametrize("shape", [(1, 2051, 2), (5, 600, 2)])
def test_sums_over_pieces_are_those_of_the_whole(shape):
    x = torch.randn(shape)
    with torch.no_grad():
        sums = sum_by_pieces(lambda x: {"all": x.sum(1), "first": x[..., 0].sum(1)}, x)
    torch.testing.assert_close(sums["all"], x.sum(1), atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(sums["first"], x[..., 0].sum(1), atol=1e-4, rtol=1e-5)


MIXERS = {
    "window": lambda: LaCTMixer(8, 2, 2, window=[32, 32]),
    "down": lambda: LaCTMixer(8, 2, 2, window=[3, 0], rule=UpdateRule(update="down")),
    "fast": lambda: LaCTMixer(8, 0, 2),
    "clipped": lambda: LaCTMixer(8, 0, 2, rule=UpdateRule("clipped_descent")),
    "near": lambda: AttentionMixer(8, 2, window=[16, 16]),
    "relpos": lambda: AttentionMixer(8, 2, "relpos", window=[16, 16]),
    "mean": lambda: SummaryMixer(8),
}


@pytest.mark.parametrize("mixer", MIXERS)
def test_these_mixers_never_hold_all_frames(mixer):
    torch.manual_seed(0)
    block = EncoderBlock(
        8, MIXERS[mixer](), FeedForward(8, 16), conv=ConvolutionModule(8, 5)
    ).eval()
    lengths = []
    block.mixer.register_forward_pre_hook(lambda _, x: lengths.append(x[0].shape[1]))
    x, is_padding = torch.randn(1, 2101, 8), torch.zeros(1, 2101, dtype=torch.bool)
    whole = block(x, is_padding)
    with torch.inference_mode():
        pieces = block(x, is_padding)
    torch.testing.assert_close(pieces, whole, atol=2e-5, rtol=1e-5)
    assert lengths[0] == 2101
    assert max(lengths[1:]) < 1200


@pytest.mark.parametrize("kind", [FeedForward, ConvolutionModule])
def test_layers_compute_the_same_without_gradients(kind):
    torch.manual_seed(0)
    options = dict(d_ffn=16) if kind is FeedForward else dict(kernel_size=5)
    layer, x = kind(d_model=8, **options).eval(), torch.randn(2, 1500, 8)
    is_padding = torch.arange(1500) >= torch.tensor([[1500], [900]])
    inputs = (x,) if kind is FeedForward else (x, is_padding)
    with torch.no_grad():
        found = layer(*inputs)
    torch.testing.assert_close(found, layer(*inputs))
