"""Routers: how much they keep, and that they look back alone."""

from functools import partial

import pytest
import torch

from lact_modules.layers.router import RouterState
from lact_modules.layers.routers import UniformRouter
from lact_modules.layers.score_routers import (
    BlankRouter,
    CosineRouter,
    SimilarityRouter,
)

ROUTERS = {
    "blank": partial(BlankRouter, 8, num_tokens=5),
    "cosine": partial(CosineRouter, 8),
    "similarity": partial(SimilarityRouter, 8),
    "uniform": UniformRouter,
}


def speech_like(num_frames=60, batch_size=2):
    """Frames with a large mean, that change slowly: any two are alike."""
    noise = torch.randn(batch_size, num_frames + 4, 8)
    return 100 + noise.unfold(1, 5, 1).mean(dim=-1)


@pytest.fixture(params=ROUTERS)
def router(request):
    torch.manual_seed(0)
    return ROUTERS[request.param]()


@pytest.mark.parametrize("kept", [0.25, 0.5, 0.8])
def test_the_share_asked_for_is_kept(router, kept):
    is_padding = torch.arange(60) >= torch.tensor([60, 40])[:, None]
    for _ in range(100):
        routing = router(speech_like(), is_padding, kept)
    assert routing.num_chunks.sum() == pytest.approx(kept * 100, abs=1)
    router.eval()
    many = speech_like(batch_size=200)
    routing = router(many, torch.zeros(200, 60).bool(), kept)
    assert routing.num_chunks.sum() / 12000 == pytest.approx(kept, abs=0.05)


def test_all_is_kept_at_the_beginning_of_a_warm_up(router):
    routing = router(speech_like(), torch.zeros(2, 60).bool(), 1.0)
    assert routing.is_boundary.all()


def test_no_boundary_depends_on_what_comes_after(router):
    x, is_padding = speech_like(), torch.zeros(2, 60).bool()
    router(x, is_padding, 0.5)
    router.eval()
    whole = router(x, is_padding, 0.5)
    state = RouterState(25, x[:, 24:25])
    first = router(x[:, :25], is_padding[:, :25], 0.5)
    rest = router(x[:, 25:], is_padding[:, 25:], 0.5, state)
    for name in ("is_boundary", "probability"):
        joined = torch.cat([getattr(first, name), getattr(rest, name)], dim=1)
        torch.testing.assert_close(joined, getattr(whole, name))


def test_padding_has_no_influence(router):
    x = speech_like()
    is_padding = torch.arange(60) >= torch.tensor([60, 40])[:, None]
    changed = x.masked_fill(is_padding[..., None], -1e3)
    other = ROUTERS_OF[type(router)]()
    other.load_state_dict(router.state_dict())
    for mode in (True, False):
        ours = router.train(mode)(x, is_padding, 0.5)
        theirs = other.train(mode)(changed, is_padding, 0.5)
        assert torch.equal(ours.is_boundary, theirs.is_boundary)


def test_a_learned_router_has_gradients():
    router, is_padding = CosineRouter(8), torch.zeros(2, 60).bool()
    router(speech_like(), is_padding, 0.5).probability.square().sum().backward()
    for name, parameter in router.named_parameters():
        assert parameter.grad.abs().max() > 0, name


ROUTERS_OF = {type(make()): make for make in ROUTERS.values()}
