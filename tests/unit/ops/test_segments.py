"""Dynamic chunking against plain loops, and its gradients."""

import pytest
import torch

from lact_modules.ops import segments
from lact_modules.ops.routing import accumulate


def random_rate(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, generator=generator, dtype=torch.float64)


def make_routing(num_frames, lengths):
    """Segments that begin at random, with probabilities that are not sure."""
    is_padding = torch.arange(num_frames) >= torch.tensor(lengths)[:, None]
    rate = random_rate(len(lengths), num_frames)
    routing, _ = accumulate(rate, is_padding)
    probability = torch.where(is_padding, 0.0, random_rate(*rate.shape, seed=2))
    return routing._replace(probability=probability), is_padding


def make_frames(routing, dim=3, seed=1):
    generator = torch.Generator().manual_seed(seed)
    shape = *routing.is_boundary.shape, dim
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def smooth_in_a_loop(x, share):
    """What `smooth` is to give for one utterance, (K, D) and (K,)."""
    y = [x[0]]
    for k in range(1, len(x)):
        y.append(share[k] * x[k] + (1 - share[k]) * y[-1])
    return torch.stack(y)


@pytest.mark.parametrize("num_frames", [1, 2, 7, 40])
def test_boundary_frames_are_those_of_the_mask(num_frames):
    routing, _ = make_routing(num_frames, [num_frames, (num_frames + 1) // 2])
    frames = segments.boundary_frames(routing.is_boundary)
    assert frames.shape[1] == routing.num_segments.max()
    for row, mask in zip(frames, routing.is_boundary, strict=True):
        assert row[: mask.sum()].tolist() == mask.nonzero().flatten().tolist()


def test_first_frame_begins_a_chunk_and_padding_none():
    routing, is_padding = make_routing(9, [9, 4, 0])
    assert routing.is_boundary[:2, 0].all()
    assert not routing.is_boundary[is_padding].any()
    assert not routing.probability[is_padding].any()
    assert routing.num_segments[2] == 0


@pytest.mark.parametrize("two_sided", [False, True])
@pytest.mark.parametrize("num_frames", [1, 2, 40, 400])
def test_smoothing_agrees_with_a_loop(num_frames, two_sided):
    routing, _ = make_routing(num_frames, [num_frames, (num_frames + 1) // 2])
    frames = segments.boundary_frames(routing.is_boundary)
    x = segments.take_frames(make_frames(routing), frames)
    share = routing.probability.gather(1, frames)
    is_beyond = torch.arange(frames.shape[1]) >= routing.num_segments[:, None]
    found = segments.smooth(x, share.masked_fill(is_beyond, 0), two_sided=two_sided)
    for row, count in enumerate(routing.num_segments.tolist()):
        expected = smooth_in_a_loop(x[row, :count], share[row, :count])
        if two_sided:
            flipped = x[row, :count].flip(0), share[row, :count].flip(0)
            expected = (expected + smooth_in_a_loop(*flipped).flip(0)) / 2
        torch.testing.assert_close(found[row, :count], expected)


def test_smoothing_continues_from_earlier_segments():
    routing, _ = make_routing(30, [30])
    x, share = make_frames(routing), routing.probability
    whole = segments.smooth(x, share)
    first = segments.smooth(x[:, :11], share[:, :11])
    rest = segments.smooth(x[:, 11:], share[:, 11:], before=first[:, -1:])
    torch.testing.assert_close(rest, whole[:, 11:])


def test_a_sure_boundary_forgets_what_was_before():
    x = torch.tensor([[[1e6], [2.0]]])
    assert segments.smooth(x, torch.ones(1, 2))[0, 1] == 2.0


@pytest.mark.parametrize("two_sided", [False, True])
def test_gradients_of_smoothing_are_right(two_sided):
    routing, _ = make_routing(6, [6])
    x = make_frames(routing).requires_grad_()
    share = routing.probability[:, 1:].clone()
    # what routers choose is sure
    share[0, 2] = 1.0
    share.requires_grad_()

    def function(x, share):
        share = torch.cat([torch.ones(1, 1, dtype=x.dtype), share], dim=1)
        return segments.smooth(x, share, two_sided=two_sided)

    assert torch.autograd.gradcheck(function, (x, share))


def test_means_agree_with_a_loop():
    routing, is_padding = make_routing(20, [20, 13])
    x = make_frames(routing)
    most = int(routing.num_segments.max())
    found = segments.segment_means(x, routing.is_boundary, is_padding, most)
    for row, length in enumerate([20, 13]):
        starts = routing.is_boundary[row].nonzero().flatten().tolist()
        borders = [*starts, length]
        for k, start in enumerate(starts):
            expected = x[row, start : borders[k + 1]].mean(dim=0)
            torch.testing.assert_close(found[row, k], expected)
        assert not found[row, len(starts) :].any()


def test_frames_are_given_what_their_segment_has_or_what_was_before():
    routing, _ = make_routing(20, [20, 13])
    values = make_frames(routing)[:, : routing.num_segments.max()]
    before = torch.randn(2, 1, values.shape[2]).to(values)
    # as if the first segments had begun before these frames
    is_boundary = routing.is_boundary.clone()
    is_boundary[:, 0] = False
    found = segments.spread(values, is_boundary, before)
    for row in range(2):
        known = [before[row, 0], *values[row]]
        number = 0
        for frame in range(20):
            number += int(is_boundary[row, frame])
            assert torch.equal(found[row, frame], known[number])
