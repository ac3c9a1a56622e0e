"""What is drawn in training, and what an encoder makes of it."""

import random
from collections import Counter
from functools import partial

import pytest
import torch

from lact_modules.encoders import Encoder
from lact_modules.encoders.dynamic_chunks import DynamicChunks
from lact_modules.layers import FeedForward, LaCTMixer
from lact_modules.layers.chunking import Chunking


def make_encoder(chunks):
    torch.manual_seed(0)
    mixer, ffn = partial(LaCTMixer, 8, 2, 2), partial(FeedForward, 8, 16)
    return Encoder(8, 1, mixer, ffn, streaming_chunks=chunks)


def test_every_choice_is_as_probable_as_stated():
    random.seed(0)
    chunks = DynamicChunks(sizes=[4, 8], left_contexts=[16, 32], full_context_prob=0.2)
    drawn = Counter(chunks.draw() for _ in range(2000))
    assert drawn[None] == pytest.approx(400, abs=60)
    for size in (4, 8):
        for left in (16, 32):
            assert drawn[Chunking(size, left)] == pytest.approx(400, abs=60)


@pytest.mark.parametrize(
    "options",
    [
        {"sizes": [], "left_contexts": [1]},
        {"sizes": [1], "left_contexts": []},
        {"sizes": [0], "left_contexts": [1]},
        {"sizes": [1], "left_contexts": [-1]},
        {"sizes": [1], "left_contexts": [1], "full_context_prob": 1.5},
        {"sizes": [4, 8], "left_contexts": [1], "backprop_frames": 12},
    ],
    ids=str,
)
def test_what_cannot_be_drawn_is_refused(options):
    with pytest.raises(ValueError):
        DynamicChunks(**options)


def test_training_draws_chunks_and_evaluation_takes_the_given_ones():
    encoder = make_encoder(
        DynamicChunks(sizes=[4], left_contexts=[4], full_context_prob=0.0)
    )
    x, lengths = torch.randn(2, 14, 8), torch.tensor([14, 9])
    chunking = Chunking(size=4, left=4)
    expected, _ = encoder.chunked(x, lengths, chunking)
    torch.testing.assert_close(encoder(x, lengths)[0], expected)
    whole, _ = encoder.eval()(x, lengths)
    assert (whole - expected)[:, :4].abs().max() > 1e-3
    encoder.chunking = chunking
    torch.testing.assert_close(encoder(x, lengths)[0], expected)


def test_no_gradient_passes_from_segment_to_segment():
    torch.manual_seed(0)
    x = torch.randn(2, 14, 8, requires_grad=True)
    lengths = torch.tensor([14, 6])
    # the sum of what is normalized would have no gradient but for rounding
    target = torch.randn(2, 6, 8)

    def run(segment):
        chunks = DynamicChunks([4], [4], full_context_prob=0.0, backprop_frames=segment)
        output, _ = make_encoder(chunks)(x, lengths)
        (gradient,) = torch.autograd.grad((output[:, 8:] * target).sum(), x)
        return output, gradient.abs().amax(dim=(0, 2)) > 1e-6

    whole, reaches = run(None)
    cut, reaches_cut = run(8)
    torch.testing.assert_close(cut, whole)
    assert reaches.tolist() == [True] * 14
    assert reaches_cut.tolist() == [False] * 8 + [True] * 6
