"""Dynamic chunking against plain loops, and its gradients."""

import pytest
import torch

from lact_modules.ops import chunking
from lact_modules.ops.chunking import Routing


def random_rate(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, generator=generator, dtype=torch.float64)


def make_routing(num_frames, lengths):
    """Chunks that begin at random, with probabilities that are not sure."""
    is_padding = torch.arange(num_frames) >= torch.tensor(lengths)[:, None]
    rate = random_rate(len(lengths), num_frames)
    routing, _ = chunking.accumulate(rate, is_padding)
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


def boundaries_in_a_loop(rate, length):
    """What `accumulate` is to choose for one utterance's rates, (T,)."""
    found, reached = [], 0.0
    for t in range(length):
        reached += rate[t].item() if t else 1.0
        found.append(reached >= 1)
        reached -= found[-1]
    return found, reached


@pytest.mark.parametrize("num_frames", [1, 2, 7, 40, 400])
def test_chunks_begin_where_a_loop_begins_them(num_frames):
    lengths = [num_frames, (num_frames + 1) // 2, 0]
    is_padding = torch.arange(num_frames) >= torch.tensor(lengths)[:, None]
    rate = random_rate(3, num_frames)
    routing, reached = chunking.accumulate(rate, is_padding)
    for row, length in enumerate(lengths):
        expected, left = boundaries_in_a_loop(rate[row], length)
        assert routing.is_boundary[row, :length].tolist() == expected
        assert not routing.is_boundary[row, length:].any()
        assert reached[row].item() == pytest.approx(left)


def test_rates_are_summed_up_over_calls():
    rate, none = random_rate(2, 50), torch.zeros(2, 50).bool()
    whole, _ = chunking.accumulate(rate, none)
    first, reached = chunking.accumulate(rate[:, :17], none[:, :17])
    nothing, reached = chunking.accumulate(rate[:, :0], none[:, :0], reached)
    rest, _ = chunking.accumulate(rate[:, 17:], none[:, 17:], reached)
    joined = torch.cat([first.is_boundary, nothing.is_boundary, rest.is_boundary], 1)
    assert torch.equal(joined, whole.is_boundary)


def test_what_is_chosen_has_the_gradient_of_the_rate():
    rate = random_rate(1, 9).requires_grad_()
    routing, _ = chunking.accumulate(rate, torch.arange(9)[None] >= 7)
    assert torch.equal(routing.probability > 0.5, routing.is_boundary)
    routing.probability.sum().backward()
    assert rate.grad.tolist() == [[1.0] * 7 + [0.0] * 2]


@pytest.mark.parametrize("kept", [0.01, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("spread", [0.0, 1.0, 30.0])
def test_offset_gives_the_mean_rate_that_is_asked_for(kept, spread):
    score = spread * torch.randn(500, dtype=torch.float64) + 7
    rate = (score + chunking.rate_offset(score, kept)).clamp(max=0).exp()
    assert rate.mean().item() == pytest.approx(kept, rel=1e-6)


@pytest.mark.parametrize("num_frames", [1, 2, 7, 40])
def test_boundary_frames_are_those_of_the_mask(num_frames):
    routing, _ = make_routing(num_frames, [num_frames, (num_frames + 1) // 2])
    frames = chunking.boundary_frames(routing.is_boundary)
    assert frames.shape[1] == routing.num_chunks.max()
    for row, mask in zip(frames, routing.is_boundary, strict=True):
        assert row[: mask.sum()].tolist() == mask.nonzero().flatten().tolist()


def test_first_frame_begins_a_chunk_and_padding_none():
    routing, is_padding = make_routing(9, [9, 4, 0])
    assert routing.is_boundary[:2, 0].all()
    assert not routing.is_boundary[is_padding].any()
    assert not routing.probability[is_padding].any()
    assert routing.num_chunks[2] == 0


@pytest.mark.parametrize("two_sided", [False, True])
@pytest.mark.parametrize("num_frames", [1, 2, 40, 400])
def test_smoothing_agrees_with_a_loop(num_frames, two_sided):
    routing, _ = make_routing(num_frames, [num_frames, (num_frames + 1) // 2])
    frames = chunking.boundary_frames(routing.is_boundary)
    x = chunking.take_frames(make_frames(routing), frames)
    share = routing.probability.gather(1, frames)
    is_beyond = torch.arange(frames.shape[1]) >= routing.num_chunks[:, None]
    found = chunking.smooth(x, share.masked_fill(is_beyond, 0), two_sided=two_sided)
    for row, count in enumerate(routing.num_chunks.tolist()):
        expected = smooth_in_a_loop(x[row, :count], share[row, :count])
        if two_sided:
            flipped = x[row, :count].flip(0), share[row, :count].flip(0)
            expected = (expected + smooth_in_a_loop(*flipped).flip(0)) / 2
        torch.testing.assert_close(found[row, :count], expected)


def test_smoothing_goes_on_from_what_was_before():
    routing, _ = make_routing(30, [30])
    x, share = make_frames(routing), routing.probability
    whole = chunking.smooth(x, share)
    first = chunking.smooth(x[:, :11], share[:, :11])
    rest = chunking.smooth(x[:, 11:], share[:, 11:], before=first[:, -1:])
    torch.testing.assert_close(rest, whole[:, 11:])


def test_a_sure_boundary_forgets_what_was_before():
    x = torch.tensor([[[1e6], [2.0]]])
    assert chunking.smooth(x, torch.ones(1, 2))[0, 1] == 2.0


@pytest.mark.parametrize("two_sided", [False, True])
def test_gradients_of_smoothing_are_right(two_sided):
    routing, _ = make_routing(6, [6])
    x = make_frames(routing).requires_grad_()
    share = (routing.probability[:, 1:] * 0.9).requires_grad_()

    def function(x, share):
        share = torch.cat([torch.ones(1, 1, dtype=x.dtype), share], dim=1)
        return chunking.smooth(x, share, two_sided=two_sided)

    assert torch.autograd.gradcheck(function, (x, share))


def test_means_agree_with_a_loop():
    routing, is_padding = make_routing(20, [20, 13])
    x = make_frames(routing)
    found = chunking.chunk_means(x, routing.is_boundary, is_padding)
    for row, length in enumerate([20, 13]):
        starts = routing.is_boundary[row].nonzero().flatten().tolist()
        borders = [*starts, length]
        for k, start in enumerate(starts):
            expected = x[row, start : borders[k + 1]].mean(dim=0)
            torch.testing.assert_close(found[row, k], expected)
        assert not found[row, len(starts) :].any()


def test_straight_through_passes_the_gradient_of_the_choice():
    # rounded to 1, differentiated as p where a chunk begins and 1 - p elsewhere
    probability = torch.tensor([[0.8, 0.3]], requires_grad=True)
    routing = Routing(probability > 0.5, probability)
    output = chunking.straight_through(chunking.confidence(routing))
    assert output.tolist() == [[1.0, 1.0]]
    output.backward(torch.tensor([[3.0, 5.0]]))
    assert probability.grad.tolist() == [[3.0, -5.0]]


@pytest.mark.parametrize(("kept", "high"), [(0.5, 0.9), (0.25, 0.6)])
def test_ratio_loss_pulls_towards_the_share(kept, high):
    is_padding = torch.zeros(1, 1000, dtype=torch.bool)

    def gradient(mean):
        probability = torch.linspace(0, 2 * mean, 1000).clamp(max=1)[None]
        probability.requires_grad_()
        routing = Routing(probability > 0.5, probability)
        loss = chunking.ratio_loss(routing, is_padding, kept)
        return torch.autograd.grad(loss.sum(), probability)[0].mean()

    assert gradient(high) > 0
    assert gradient(0.05) < 0


def test_ratio_loss_looks_at_each_utterance_without_its_padding():
    routing, is_padding = make_routing(20, [20, 13])
    together = chunking.ratio_loss(routing, is_padding, 0.5)
    alone = Routing(routing.is_boundary[1:, :13], routing.probability[1:, :13])
    expected = chunking.ratio_loss(alone, is_padding[1:, :13], 0.5)
    torch.testing.assert_close(together[1:], expected)
