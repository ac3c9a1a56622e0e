"""Spans to mask: how much they cover, and whose they are."""

import pytest
import torch

from lact_modules.ops.spans import draw_spans


def generators(number):
    return [torch.Generator().manual_seed(7) for _ in range(number)]


@pytest.mark.parametrize("share", [0.065, 0.15, 0.5])
def test_covers_the_share_but_for_overlaps(share):
    torch.manual_seed(0)
    mask = draw_spans(torch.full((200,), 400), 400, share, span=10)
    # starts at random cover 1 - exp(-share), nearly
    expected = 1 - torch.tensor(-share).exp()
    assert mask.float().mean() == pytest.approx(expected.item(), abs=0.03)


def test_spans_are_whole():
    torch.manual_seed(0)
    mask = draw_spans(torch.full((50,), 100), 100, 0.1, span=5)
    edges = torch.nn.functional.pad(mask.int(), (1, 1)).diff(dim=1)
    for row in edges:
        starts, ends = (row == 1).nonzero(), (row == -1).nonzero()
        assert (ends - starts >= 5).all()


def test_an_utterance_gets_the_same_spans_in_any_batch():
    alone = draw_spans(torch.tensor([80]), 80, 0.15, 8, generators(1))
    together = draw_spans(torch.tensor([120, 80]), 120, 0.15, 8, generators(2))
    assert torch.equal(together[1, :80], alone[0])
    assert not together[1, 80:].any()


def test_every_utterance_that_holds_a_span_gets_one():
    mask = draw_spans(torch.tensor([10, 9, 0]), 10, 0.001, span=10)
    assert mask.sum(dim=1).tolist() == [10, 0, 0]


def test_no_share_covers_nothing():
    assert not draw_spans(torch.tensor([50]), 50, 0.0, span=10).any()
