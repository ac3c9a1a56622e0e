"""Frames to segments and back."""

from functools import partial

import pytest
import torch

from lact_modules.encoders import CTCModel, Encoder
from lact_modules.frontends import MelFrontend
from lact_modules.layers import AttentionMixer, FeedForward
from lact_modules.layers.chunking import Chunking
from lact_modules.layers.dynamic_chunking import DynamicChunking
from lact_modules.layers.dynamic_chunking.routers import CosineRouter, UniformRouter


def make_chunking(router=None, **options):
    return DynamicChunking(8, router or UniformRouter(), **options)


def make_encoder(split, **options):
    chunking = partial(DynamicChunking, **{"router": "uniform", **options})
    return make_plain_encoder(dynamic_chunking=chunking, block_split=split)


def make_plain_encoder(**options):
    return Encoder(
        8,
        num_layers=4,
        mixer=partial(AttentionMixer, 8, num_heads=2),
        ffn_out=partial(FeedForward, 8, 16),
        **options,
    )


@pytest.mark.parametrize("split", [[1, 2], [1, 2, 1], [2, 1], None])
def test_inner_blocks_run_on_fewer_frames(split):
    encoder, shapes = make_encoder(split, keep_ratio=0.25), []
    for block in encoder.blocks:
        block.register_forward_hook(
            lambda _, inputs, __: shapes.append(inputs[0].shape)
        )
    encoder(torch.randn(2, 40, 8), torch.tensor([40, 20]))
    split = split or [2, 2]
    inner = range(split[0], split[0] + split[1])
    assert [shape[1] for shape in shapes] == [
        10 if i in inner else 40 for i in range(4)
    ]


def test_what_was_added_to_a_segment_is_added_to_its_frames():
    chunking = make_chunking(keep_ratio=0.5).eval()
    x, is_padding = torch.randn(1, 6, 8), torch.zeros(1, 6).bool()
    routing, _ = chunking.route(x, is_padding)
    segments = chunking.compress(x, is_padding, routing)
    added = torch.randn(1, 3, 8)
    output = chunking.expand(segments.x + added, segments, x)
    torch.testing.assert_close(output, x + added.repeat_interleave(2, dim=1))


def test_frames_are_given_what_was_made_of_their_segment():
    chunking = make_chunking(keep_ratio=0.5, residual="projection").eval()
    x, is_padding = torch.randn(1, 6, 8), torch.zeros(1, 6).bool()
    routing, _ = chunking.route(x, is_padding)
    segments = chunking.compress(x, is_padding, routing)
    output = chunking.expand(segments.x, segments, x)
    torch.testing.assert_close(output, x[:, ::2].repeat_interleave(2, dim=1))


def test_means_stand_for_segments():
    chunking = make_chunking(keep_ratio=0.5, pool="mean")
    x, is_padding = torch.randn(1, 6, 8), torch.zeros(1, 6).bool()
    routing, _ = chunking.route(x, is_padding)
    segments = chunking.compress(x, is_padding, routing)
    torch.testing.assert_close(segments.x, x.unflatten(1, (3, 2)).mean(dim=2))


def test_warm_up_comes_down_from_all_frames():
    chunking = make_chunking(keep_ratio=0.5, hold_steps=2, warmup_steps=4)
    x, is_padding = torch.randn(1, 100, 8), torch.zeros(1, 100).bool()
    keep_ratio = [
        chunking.route(x, is_padding)[0].num_segments.item() / 100 for _ in range(8)
    ]
    expected = [1, 1, 1, 0.875, 0.75, 0.625, 0.5, 0.5]
    assert keep_ratio == pytest.approx(expected, abs=0.01)
    chunking.eval()
    chunking.route(x, is_padding)
    assert chunking.num_steps == 8


def test_as_many_segments_as_frames_are_as_if_there_were_none():
    encoder, lengths = make_encoder([1, 3]).eval(), torch.tensor([40, 20])
    encoder.dynamic_chunking.keep_ratio = 1.0
    plain = make_plain_encoder().eval()
    plain.load_state_dict(encoder.state_dict(), strict=False)
    x = torch.randn(2, 40, 8)
    for output, expected in zip(encoder(x, lengths), plain(x, lengths), strict=True):
        torch.testing.assert_close(output, expected)


@pytest.mark.parametrize("router", ["cosine", "ctc-blank"])
def test_all_else_begins_as_without_segments(router):
    chunked = partial(make_encoder, [1, 3], router=router)
    models, drawn = [], []
    for make in (make_plain_encoder, chunked):
        torch.manual_seed(0)
        models.append(CTCModel(MelFrontend(8, channels=4), make(), num_tokens=5))
        drawn.append(torch.rand(()))
    for name, expected in models[0].named_parameters():
        assert torch.equal(models[1].get_parameter(name), expected), name
    assert drawn[0] == drawn[1]


def test_the_router_learns_what_the_output_wants():
    chunking = make_chunking(CosineRouter(8), residual="projection")
    x, is_padding = torch.randn(2, 30, 8), torch.zeros(2, 30).bool()
    routing, _ = chunking.route(x, is_padding)
    segments = chunking.compress(x, is_padding, routing)
    z = segments.x + torch.randn_like(segments.x)
    (chunking.expand(z, segments, x) * torch.randn(2, 30, 8)).sum().backward()
    assert chunking.router.project.weight.grad.abs().max() > 0
    assert chunking.project_frame.weight.grad.abs().max() > 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (partial(make_chunking, keep_ratio=1.5), "keep_ratio=1.5"),
        (partial(make_chunking, pool="last"), "pool='last'"),
        (partial(make_chunking, residual="none"), "residual='none'"),
        (partial(make_encoder, [1]), r"block_split=\[1\]"),
        (partial(make_encoder, [3, 2]), r"block_split=\[3, 2\]"),
        (partial(make_plain_encoder, block_split=[1, 2]), "dynamic_chunking"),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_output_is_left_in_segments_and_the_router_learns_from_it():
    encoder = make_encoder([1, 3], router="cosine", upsample=False)
    x, lengths = torch.randn(2, 40, 8), torch.tensor([40, 20])
    output, num_segments = encoder(x, lengths)
    assert output.shape == (2, num_segments.max(), 8)
    assert num_segments.sum() == 30
    (output * torch.randn_like(output)).sum().backward()
    router = encoder.dynamic_chunking.router
    assert router.project.weight.grad.abs().max() > 0
    assert encoder.frame_share == 0.5


def test_empty_utterances_alone_leave_no_segments():
    encoder = make_encoder([1, 2, 1], upsample=False).eval()
    output, num_segments = encoder(torch.randn(2, 10, 8), torch.tensor([0, 0]))
    assert output.shape == (2, 0, 8)
    assert num_segments.tolist() == [0, 0]


def test_segments_of_an_utterance_do_not_depend_on_its_batch():
    encoder = make_encoder([1, 3], router="cosine", upsample=False)
    x, lengths = torch.randn(2, 40, 8), torch.tensor([40, 20])
    encoder(x, lengths)
    encoder.eval()
    output, num_segments = encoder(x, lengths)
    alone, [number] = encoder(x[1:, :20], lengths[1:])
    assert number == num_segments[1]
    torch.testing.assert_close(output[1:, :number], alone)
    assert not output[1, number:].any()


def test_output_left_in_segments_does_not_stream_nor_learn_masked_prediction():
    encoder = make_encoder([1, 3], upsample=False)
    with pytest.raises(NotImplementedError, match="upsample"):
        encoder.chunked(torch.randn(1, 8, 8), torch.tensor([8]), Chunking(4, 4))
    with pytest.raises(ValueError, match="upsample"):
        CTCModel(MelFrontend(8, channels=4), encoder, 5, enable_ttt=True)
