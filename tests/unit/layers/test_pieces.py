"""Frames that are taken some at a time, where no gradients are kept."""

import pytest
import torch

from lact_modules.layers import ConvolutionModule, FeedForward
from lact_modules.layers.pieces import by_pieces


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


@pytest.mark.parametrize("kind", [FeedForward, ConvolutionModule])
def test_layers_hear_the_same_without_gradients(kind):
    torch.manual_seed(0)
    options = dict(d_ffn=16) if kind is FeedForward else dict(kernel_size=5)
    layer, x = kind(d_model=8, **options).eval(), torch.randn(2, 1500, 8)
    is_padding = torch.arange(1500) >= torch.tensor([[1500], [900]])
    inputs = (x,) if kind is FeedForward else (x, is_padding)
    with torch.no_grad():
        found = layer(*inputs)
    torch.testing.assert_close(found, layer(*inputs))
