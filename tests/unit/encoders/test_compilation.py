"""Compiled blocks compute what others do, with few graphs for all lengths."""

import logging
from functools import partial

import pytest
import torch

from lact_modules.encoders import Encoder
from lact_modules.encoders.compilation import CompiledBlocks
from lact_modules.encoders.streaming import StreamingEncoder
from lact_modules.errors import InputError
from lact_modules.layers import AttentionMixer, FeedForward, LaCTMixer
from lact_modules.layers.chunking import Chunking
from lact_modules.ops import UpdateRule


@pytest.fixture
def make_encoder():
    """Return an encoder of two blocks with mixers of a kind; and forget all graphs."""
    torch._dynamo.reset()

    def make(mixer, **options):
        torch.manual_seed(0)
        mixer = partial(mixer, 8, 2, **options)
        return Encoder(8, 2, mixer, partial(FeedForward, 8, 16)).eval()

    yield make
    torch._dynamo.reset()


@torch.inference_mode()
def encode(encoder, lengths):
    generator = torch.Generator().manual_seed(0)
    return [
        encoder(torch.randn(2, each, 8, generator=generator), torch.tensor([each, 3]))[
            0
        ]
        for each in lengths
    ]


def test_lengths_and_blocks_share_a_graph(make_encoder):
    rule = UpdateRule(optimizer="clipped_descent", update="down")
    encoder = make_encoder(LaCTMixer, num_lact_heads=2, rule=rule)
    lengths = [5, 9, 31, 32, 60, 133]
    before, names = encode(encoder, lengths), [*encoder.state_dict()]
    compiled = CompiledBlocks(encoder, backend="eager")
    after = encode(encoder, lengths)
    assert compiled.num_graphs == 1
    assert [*encoder.state_dict()] == names
    for want, got in zip(before, after, strict=True):
        torch.testing.assert_close(got, want, atol=1e-5, rtol=1e-4)


def test_of_a_stream_the_step_of_a_chunk_is_compiled(make_encoder):
    encoder = make_encoder(AttentionMixer)
    x = torch.randn(1, 95, 8, generator=torch.Generator().manual_seed(0))

    @torch.inference_mode()
    def run(piece):
        streaming = StreamingEncoder(encoder, Chunking(size=4, left=8))
        state, outputs = streaming.start(1), []
        for frames in x.split(piece, dim=1):
            output, state = streaming.accept(frames, state)
            outputs.append(output)
        return torch.cat([*outputs, streaming.finish(state)], dim=1)

    want = run(95)
    compiled = CompiledBlocks(encoder, backend="eager")
    for piece in 1, 3, 4, 7, 20, 95:
        torch.testing.assert_close(run(piece), want, atol=1e-5, rtol=1e-4)
    # the first one is of one position
    assert 1 <= compiled.num_graphs <= 2


def fails(graph, inputs):
    raise OSError("no compiler\n\nat all")


def test_what_cannot_be_compiled_runs_uncompiled(make_encoder, caplog):
    encoder = make_encoder(AttentionMixer)
    before = encode(encoder, [5, 6])
    compiled = CompiledBlocks(encoder, backend=fails)
    with caplog.at_level(logging.WARNING):
        after = encode(encoder, [5, 6])
    assert all(map(torch.equal, after, before))
    assert compiled.num_graphs == 0
    [outputs] = [each.getMessage() for each in caplog.records if "failed" in each.msg]
    assert "no compiler" in outputs
    assert "\n" not in outputs


def test_one_graph_or_none(make_encoder):
    encoder = make_encoder(AttentionMixer)
    CompiledBlocks(encoder, backend=fails, fullgraph=True)
    with pytest.raises(InputError, match=r"compile: .*no compiler"):
        encode(encoder, [5])


def test_what_repeats_nothing_is_compiled_as_a_whole(make_encoder):
    layer = FeedForward(8, 16).eval()
    x = torch.randn(3, 8)
    want = layer(x)
    compiled = CompiledBlocks(layer, backend="eager")
    torch.testing.assert_close(layer(x), want)
    assert (compiled.blocks, compiled.num_graphs) == ([layer], 1)
