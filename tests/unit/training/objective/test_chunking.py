"""What dynamic chunking adds to a training."""

import math

import pytest
import torch
from speechbrain.core import Stage
from torch import nn

from lact_modules.layers.dynamic_chunking import DynamicChunking
from lact_modules.layers.dynamic_chunking.routers import CosineRouter
from lact_modules.training.objective.chunking import ChunkingWatch

ROUTERS = ("cosine", "uniform", "ctc-blank", "similarity")
OF_SCORES = ("segments/p", "segments/temperature", "segments/threshold")
TOKENS, NUM_TOKENS = torch.tensor([[1, 2, 2], [3, 4, 0]]), torch.tensor([3, 2])


def feed(watch, *lengths):
    lengths = lengths or (20, 12)
    size = max(lengths)
    is_padding = torch.arange(size) >= torch.tensor(lengths)[:, None]
    x = torch.randn(len(lengths), size, 8)
    # a head's output, for the router that reads it
    watch.chunking.route(x, is_padding, log_probs=x.log_softmax(dim=-1))


def watch_batch(router, **options):
    torch.manual_seed(0)
    watch = ChunkingWatch(DynamicChunking(8, router, **options))
    feed(watch)
    return watch


def test_the_ratio_counts_by_its_weight_and_the_tokens():
    watch = watch_batch("uniform", ratio_weight=0.1)
    # even segments of two are what is asked for
    torch.testing.assert_close(
        watch.losses(TOKENS, NUM_TOKENS), 0.1 * NUM_TOKENS.float()
    )
    watch.chunking.keep_ratio = 0.25
    assert (watch.losses(TOKENS, NUM_TOKENS) > 0.1 * NUM_TOKENS).all()


def test_a_learned_router_learns_the_ratio():
    watch = watch_batch(CosineRouter(8), keep_ratio=0.25)
    watch.chunking.keep_ratio = 0.5
    watch.losses(TOKENS, NUM_TOKENS).sum().backward()
    assert watch.chunking.router.project.weight.grad.abs().max() > 0


def test_without_a_batch_there_is_no_loss():
    watch = ChunkingWatch(DynamicChunking(8, "uniform"))
    assert watch.metrics() == {}
    assert math.isnan(watch.keep_ratio)
    with pytest.raises(ValueError, match="no batch"):
        watch.losses(TOKENS, NUM_TOKENS)


def test_what_was_kept_is_counted_by_stage():
    watch = watch_batch("uniform", keep_ratio=0.25)
    assert watch.keep_ratio == watch.metrics()["segments/keep_ratio"] == 8 / 32
    watch.chunking.keep_ratio = 0.5
    feed(watch)
    assert watch.keep_ratio == (8 + 16) / 64
    watch.begin(Stage.TEST)
    feed(watch)
    assert watch.keep_ratio == 0.5


def test_validation_calibrates_the_router():
    watch = watch_batch("cosine")
    watch.chunking.eval()
    learned = watch.chunking.router.threshold
    feed(watch)
    assert watch.chunking.router.threshold == learned
    watch.begin(Stage.VALID)
    feed(watch)
    found = watch.chunking.router.threshold
    assert found != learned
    assert watch.keep_ratio == pytest.approx(0.5, abs=0.1)
    watch.end()
    feed(watch)
    assert watch.chunking.router.threshold == found


def test_metrics_show_what_the_router_depends_on():
    names = {router: watch_batch(router).metrics().keys() for router in ROUTERS}
    assert names["uniform"] == {"segments/keep_ratio"}
    assert names["ctc-blank"] == {*names["uniform"], *OF_SCORES}
    assert (
        names["cosine"]
        == names["similarity"]
        == {*names["ctc-blank"], "segments/cosine"}
    )


@pytest.mark.parametrize("router", ROUTERS)
def test_utterances_of_one_frame_have_no_neighbours(router):
    watch = watch_batch(router)
    feed(watch, 1, 1)
    assert watch.metrics() == {"segments/keep_ratio": 1.0}


@pytest.mark.parametrize("router", sorted({*ROUTERS} - {"uniform"}))
def test_the_mean_rate_is_the_share_that_it_was_calibrated_to(router):
    watch = watch_batch(router)
    watch.chunking.eval()
    watch.begin(Stage.VALID)
    torch.manual_seed(1)
    feed(watch)
    assert watch.metrics()["segments/p"] == pytest.approx(0.5, abs=1e-4)


def test_a_model_without_segments_is_not_watched():
    assert ChunkingWatch.of(nn.Linear(2, 2)) is None
