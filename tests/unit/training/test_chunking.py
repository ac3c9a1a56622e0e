"""What dynamic chunking adds to a training."""

import pytest
import torch

from lact_modules.layers.dynamic_chunking import DynamicChunking
from lact_modules.layers.routers import UniformRouter
from lact_modules.layers.score_routers import BlankRouter, CosineRouter
from lact_modules.training.chunking import chunking_losses, chunking_metrics

TOKENS, NUM_TOKENS = torch.tensor([[1, 2, 2], [3, 4, 0]]), torch.tensor([3, 2])


def after_a_batch(router, **options):
    torch.manual_seed(0)
    chunking = DynamicChunking(8, router, **options)
    is_padding = torch.arange(20) >= torch.tensor([20, 12])[:, None]
    chunking.route(torch.randn(2, 20, 8), is_padding)
    return chunking


def test_the_ratio_counts_by_its_weight_and_the_tokens():
    chunking = after_a_batch(CosineRouter(8))
    once = chunking_losses(chunking, TOKENS, NUM_TOKENS)
    torch.testing.assert_close(once, 0.03 * chunking.loss() * NUM_TOKENS)
    chunking.ratio_weight = 0.3
    more = chunking_losses(chunking, TOKENS, NUM_TOKENS)
    torch.testing.assert_close(more, 10 * once)


def test_blank_router_learns_what_is_said():
    chunking = after_a_batch(BlankRouter(8, num_tokens=5), ratio_weight=0.0)
    chunking_losses(chunking, TOKENS, NUM_TOKENS).sum().backward()
    assert chunking.router.output.weight.grad.abs().max() > 0


def test_metrics_tell_what_was_kept():
    metrics = chunking_metrics(after_a_batch(UniformRouter(), kept=0.25))
    assert metrics["chunks/kept"] == pytest.approx(8 / 32)
    assert "chunks/threshold" not in metrics
    assert "chunks/threshold" in chunking_metrics(after_a_batch(CosineRouter(8)))
    assert chunking_metrics(DynamicChunking(8, UniformRouter())) == {}
