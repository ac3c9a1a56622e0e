"""Frames to chunks and back."""

from functools import partial

import pytest
import torch

from lact_modules.encoders import Encoder
from lact_modules.layers import AttentionMixer, FeedForward
from lact_modules.layers.dynamic_chunking import DynamicChunking
from lact_modules.layers.routers import UniformRouter
from lact_modules.layers.score_routers import CosineRouter


def make_chunking(router=None, **options):
    return DynamicChunking(8, router or UniformRouter(), **options)


def make_encoder(stages, chunking):
    return Encoder(
        8,
        num_layers=4,
        mixer=partial(AttentionMixer, 8, num_heads=2),
        ffn_out=partial(FeedForward, 8, 16),
        dynamic_chunking=chunking,
        stages=stages,
    )


@pytest.mark.parametrize("stages", [[1, 2], [1, 2, 1], [2, 1]])
def test_inner_blocks_run_on_fewer_frames(stages):
    encoder, heard = make_encoder(stages, make_chunking(kept=0.25)), []
    for block in encoder.blocks:
        block.register_forward_hook(lambda _, inputs, __: heard.append(inputs[0].shape))
    encoder(torch.randn(2, 40, 8), torch.tensor([40, 20]))
    inner = range(stages[0], stages[0] + stages[1])
    assert [shape[1] for shape in heard] == [10 if i in inner else 40 for i in range(4)]


def test_frames_are_given_what_was_made_of_their_chunk():
    chunking = make_chunking(kept=0.5).eval()
    x, is_padding = torch.randn(1, 6, 8), torch.zeros(1, 6).bool()
    routing, _ = chunking.route(x, is_padding)
    chunks = chunking.compress(x, is_padding, routing)
    output = chunking.expand(chunks.x, chunks, x)
    torch.testing.assert_close(output, x[:, ::2].repeat_interleave(2, dim=1))


def test_means_stand_for_chunks():
    chunking = make_chunking(kept=0.5, pool="mean")
    x, is_padding = torch.randn(1, 6, 8), torch.zeros(1, 6).bool()
    routing, _ = chunking.route(x, is_padding)
    chunks = chunking.compress(x, is_padding, routing)
    torch.testing.assert_close(chunks.x, x.unflatten(1, (3, 2)).mean(dim=2))


def test_warm_up_comes_down_from_all_frames():
    chunking = make_chunking(kept=0.5, warmup_steps=4)
    x, is_padding = torch.randn(1, 100, 8), torch.zeros(1, 100).bool()
    kept = [chunking.route(x, is_padding)[0].num_chunks.item() / 100 for _ in range(6)]
    assert kept == pytest.approx([1, 0.875, 0.75, 0.625, 0.5, 0.5], abs=0.01)
    chunking.eval()
    chunking.route(x, is_padding)
    assert chunking.num_steps == 6


def test_the_router_learns_what_the_output_wants():
    chunking = make_chunking(CosineRouter(8))
    x, is_padding = torch.randn(2, 30, 8), torch.zeros(2, 30).bool()
    routing, _ = chunking.route(x, is_padding)
    chunks = chunking.compress(x, is_padding, routing)
    (chunking.expand(chunks.x, chunks, x) * torch.randn(2, 30, 8)).sum().backward()
    assert chunking.router.project.weight.grad.abs().max() > 0
    assert chunking.project_frame.weight.grad.abs().max() > 0


def test_loss_is_that_of_the_last_batch_of_training():
    chunking = make_chunking(CosineRouter(8))
    with pytest.raises(ValueError, match="no batch of training"):
        chunking.loss()
    chunking.route(torch.randn(2, 30, 8), torch.zeros(2, 30).bool())
    assert chunking.loss().shape == (2,)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (partial(make_chunking, kept=1.5), "kept=1.5"),
        (partial(make_chunking, pool="last"), "pool='last'"),
        (lambda: make_encoder([1], make_chunking()), r"stages=\[1\]"),
        (lambda: make_encoder([3, 2], make_chunking()), r"stages=\[3, 2\]"),
        (lambda: make_encoder([1, 2], None), "dynamic_chunking"),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
