"""Routers: how much they keep, and that they look back alone."""

from functools import partial

import pytest
import torch

from lact_modules.layers.dynamic_chunking.routers import (
    BlankRouter,
    CosineRouter,
    SimilarityRouter,
    UniformRouter,
    make_router,
)

ROUTERS = {
    "blank": BlankRouter,
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


@pytest.mark.parametrize("keep_ratio", [0.25, 0.5, 0.8])
def test_the_requested_share_is_kept(router, keep_ratio):
    is_padding = torch.arange(60) >= torch.tensor([60, 40])[:, None]
    for _ in range(100):
        routing, _ = router(speech_like(), is_padding, keep_ratio)
    assert routing.num_segments.sum() == pytest.approx(keep_ratio * 100, abs=3)
    router.eval()
    many = speech_like(batch_size=200)
    routing, _ = router(many, torch.zeros(200, 60).bool(), keep_ratio)
    assert routing.num_segments.sum() / 12000 == pytest.approx(keep_ratio, abs=0.05)


def test_calibration_finds_what_training_did_not(router):
    # what dropout does: neighbours are less alike
    is_padding = torch.zeros(20, 60).bool()
    router(speech_like(batch_size=20) + torch.randn(20, 60, 8), is_padding, 0.5)
    router.eval()
    router.calibrate(True)
    router(speech_like(batch_size=20), is_padding, 0.5)
    router.calibrate(False)
    routing, _ = router(speech_like(batch_size=20), is_padding, 0.5)
    assert routing.num_segments.sum() / 1200 == pytest.approx(0.5, abs=0.05)


def test_all_is_kept_at_the_beginning_of_a_warm_up(router):
    routing, _ = router(speech_like(), torch.zeros(2, 60).bool(), 1.0)
    assert routing.is_boundary.all()


def test_no_boundary_depends_on_what_comes_after(router):
    x, is_padding = speech_like(), torch.zeros(2, 60).bool()
    router(x, is_padding, 0.5)
    router.eval()
    whole, _ = router(x, is_padding, 0.5)
    first, state = router(x[:, :25], is_padding[:, :25], 0.5)
    rest, _ = router(x[:, 25:], is_padding[:, 25:], 0.5, state)
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
        ours, _ = router.train(mode)(x, is_padding, 0.5)
        theirs, _ = other.train(mode)(changed, is_padding, 0.5)
        assert torch.equal(ours.is_boundary, theirs.is_boundary)


def test_change_is_summed_up_where_it_is_slow():
    # half of the frames turn quickly, half slowly: none stands still
    angle = torch.cat([torch.full((40,), 0.3), torch.full((40,), 0.05)]).cumsum(0)
    x = torch.stack([angle.cos(), angle.sin()], dim=-1)[None]
    router = make_router("similarity", 2)
    routing, _ = router(x, torch.zeros(1, 80).bool(), 0.25)
    quick, slow = routing.is_boundary[0].view(2, 40).sum(dim=1).tolist()
    assert quick > 3 * slow > 0


def test_a_learned_router_has_gradients():
    router, is_padding = CosineRouter(8), torch.zeros(2, 60).bool()
    routing, _ = router(speech_like(), is_padding, 0.5)
    (routing.probability * torch.randn(2, 60)).sum().backward()
    for name, parameter in router.named_parameters():
        assert parameter.grad.abs().max() > 0, name


ROUTERS_OF = {type(make()): make for make in ROUTERS.values()}
