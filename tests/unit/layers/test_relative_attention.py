"""Relative attention against its definition, pair by pair."""

import math

import pytest
import torch

from lact_modules.layers.relative_attention import (
    RelativeAttention,
    align_distances,
    sinusoids,
)

D_MODEL, NUM_HEADS, HEAD_DIM = 12, 3, 4


def attend_by_pairs(attention, qkv, keys_of):
    """Follow Transformer-XL's formula for one utterance, one pair at a time."""
    q, k, v = qkv.unflatten(-1, (3, NUM_HEADS, HEAD_DIM)).unbind(1)
    output = torch.empty(len(qkv), NUM_HEADS, HEAD_DIM, dtype=qkv.dtype)
    for query in range(len(qkv)):
        for head in range(NUM_HEADS):
            scores = []
            for key in keys_of(query):
                wave = sinusoids(torch.tensor([query - key]), D_MODEL)[0].to(qkv.dtype)
                r = attention.project_distance(wave)[head * HEAD_DIM :][:HEAD_DIM]
                by_content = (q[query, head] + attention.content_bias[head]) @ k[
                    key, head
                ]
                by_distance = (q[query, head] + attention.distance_bias[head]) @ r
                scores.append((by_content + by_distance) / math.sqrt(HEAD_DIM))
            weights = torch.stack(scores).softmax(0)
            output[query, head] = weights @ v[list(keys_of(query)), head]
    return output.flatten(1)


@pytest.mark.parametrize("num_frames", [1, 2, 7])
@pytest.mark.parametrize("window", [(None, None), (2, 1), (3, 0)])
def test_agrees_with_its_definition(num_frames, window):
    torch.manual_seed(0)
    attention = RelativeAttention(D_MODEL, NUM_HEADS, window).double()
    for bias in (attention.content_bias, attention.distance_bias):
        torch.nn.init.normal_(bias)
    padded = num_frames + 2
    qkv = torch.randn(1, padded, 3 * D_MODEL, dtype=torch.float64)
    is_padding = torch.arange(padded)[None] >= num_frames
    left, right = (num_frames if side is None else side for side in window)

    def keys_of(query):
        return range(max(0, query - left), min(num_frames, query + right + 1))

    output = attention(qkv, is_padding)[0, :num_frames]
    expected = attend_by_pairs(attention, qkv[0, :num_frames], keys_of)
    torch.testing.assert_close(output, expected, atol=1e-12, rtol=1e-9)


@pytest.mark.parametrize("num_frames", [1, 2, 5])
def test_alignment_gives_each_pair_its_distance(num_frames):
    distances = torch.arange(num_frames - 1, -num_frames, -1)
    aligned = align_distances(distances.expand(2, num_frames, -1))
    frames = torch.arange(num_frames)
    assert torch.equal(aligned[1], frames[:, None] - frames)


def test_sinusoids_distinguish_the_past_from_the_future():
    past, here, future = sinusoids(torch.tensor([3, 0, -3]), 8)
    torch.testing.assert_close(past[:4], -future[:4])
    torch.testing.assert_close(past[4:], future[4:])
    assert here.tolist() == [0.0] * 4 + [1.0] * 4
