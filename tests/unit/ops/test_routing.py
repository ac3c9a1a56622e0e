"""Routing against plain loops, and its gradients."""

import pytest
import torch

from lact_modules.ops import routing as ops
from lact_modules.ops.routing import Routing


def random_rate(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, generator=generator, dtype=torch.float64)


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
    routing, reached = ops.accumulate(rate, is_padding)
    for row, length in enumerate(lengths):
        expected, left = boundaries_in_a_loop(rate[row], length)
        assert routing.is_boundary[row, :length].tolist() == expected
        assert not routing.is_boundary[row, length:].any()
        assert reached[row].item() == pytest.approx(left)


def test_rates_are_summed_up_over_calls():
    rate, none = random_rate(2, 50), torch.zeros(2, 50).bool()
    whole, _ = ops.accumulate(rate, none)
    first, reached = ops.accumulate(rate[:, :17], none[:, :17])
    nothing, reached = ops.accumulate(rate[:, :0], none[:, :0], reached)
    rest, _ = ops.accumulate(rate[:, 17:], none[:, 17:], reached)
    joined = torch.cat([first.is_boundary, nothing.is_boundary, rest.is_boundary], 1)
    assert torch.equal(joined, whole.is_boundary)


def test_what_is_chosen_has_the_gradient_of_the_rate():
    rate = random_rate(1, 9).requires_grad_()
    routing, _ = ops.accumulate(rate, torch.arange(9)[None] >= 7)
    assert torch.equal(routing.probability > 0.5, routing.is_boundary)
    routing.probability.sum().backward()
    assert rate.grad.tolist() == [[1.0] * 7 + [0.0] * 2]


@pytest.mark.parametrize("keep_ratio", [0.01, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("spread", [0.0, 1.0, 30.0])
def test_offset_gives_the_requested_mean_rate(keep_ratio, spread):
    score = spread * torch.randn(500, dtype=torch.float64) + 7
    rate = (score + ops.rate_offset(score, keep_ratio)).clamp(max=0).exp()
    assert rate.mean().item() == pytest.approx(keep_ratio, rel=1e-6)


def test_straight_through_passes_the_gradient_of_the_choice():
    # 1 in any case, differentiated as p where a chunk begins and 1 - p elsewhere
    soft = torch.tensor([[0.8, 0.3]], requires_grad=True)
    is_boundary = soft > 0.5
    routing = Routing(is_boundary, ops.straight_through(is_boundary, soft))
    output = ops.confidence(routing)
    assert output.tolist() == [[1.0, 1.0]]
    output.backward(torch.tensor([[3.0, 5.0]]))
    assert soft.grad.tolist() == [[3.0, -5.0]]


@pytest.mark.parametrize(("keep_ratio", "high"), [(0.5, 0.9), (0.25, 0.6)])
def test_ratio_loss_pulls_towards_the_share(keep_ratio, high):
    is_padding = torch.zeros(1, 1000, dtype=torch.bool)

    def gradient(mean):
        probability = torch.linspace(0, 2 * mean, 1000).clamp(max=1)[None]
        probability.requires_grad_()
        routing = Routing(probability > 0.5, probability)
        loss = ops.ratio_loss(routing, is_padding, keep_ratio)
        return torch.autograd.grad(loss.sum(), probability)[0].mean()

    assert gradient(high) > 0
    assert gradient(0.05) < 0


def test_ratio_loss_looks_at_each_utterance_without_its_padding():
    is_padding = torch.arange(20) >= torch.tensor([20, 13])[:, None]
    routing, _ = ops.accumulate(random_rate(2, 20), is_padding)
    together = ops.ratio_loss(routing, is_padding, 0.5)
    alone = Routing(routing.is_boundary[1:, :13], routing.probability[1:, :13])
    expected = ops.ratio_loss(alone, is_padding[1:, :13], 0.5)
    torch.testing.assert_close(together[1:], expected)
