"""Dropout in C++: what it leaves, where, and whether gradients pass there alone."""

import pytest
import torch

from lact_modules.ops.cpu import native
from lact_modules.ops.cpu.fused import has_fused
from lact_modules.ops.dropout import dropout


@pytest.fixture(autouse=True)
def compiled():
    if not has_fused(torch.zeros(1)):
        pytest.skip("no C++ compiler")
    torch.manual_seed(1)


@pytest.mark.parametrize("prob", [0.05, 0.5, 0.9])
def test_the_share_is_dropped_and_the_mean_stays(prob):
    y = dropout(torch.ones(1000, 1000), prob)
    # six standard deviations of a million draws
    assert abs(y.eq(0).float().mean() - prob) < 6 * (prob * (1 - prob)) ** 0.5 / 1000
    assert torch.allclose(y[y != 0], torch.tensor(1 / (1 - prob)))


def test_places_are_independent():
    # 10,000 draws of 300 places, some in one block and some in others
    kept = dropout(torch.ones(10_000, 300), 0.3) != 0
    correlation = torch.corrcoef(kept.T.float()) - torch.eye(300)
    assert correlation.abs().max() < 0.06
    again = dropout(torch.ones(10_000, 300), 0.3) != 0
    assert abs((kept == again).float().mean() - (0.3**2 + 0.7**2)) < 0.005


def test_gradients_of_any_order_pass_where_elements_stay():
    x = torch.randn(5000, requires_grad=True)
    y = dropout(x, 0.4)
    assert y.grad_fn.name().startswith("_")
    factor = torch.where(y == 0, 0.0, 1 / 0.6)
    (first,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
    torch.testing.assert_close(first, 2 * factor**2 * x)
    (second,) = torch.autograd.grad(first.sum(), x)
    torch.testing.assert_close(second, 2 * factor**2)


@pytest.mark.parametrize("threads", [1, 3])
def test_a_seed_gives_the_same_places(threads):
    torch.set_num_threads(threads)
    try:
        torch.manual_seed(3)
        y = dropout(torch.ones(9, 4000).T, 0.5)
    finally:
        torch.set_num_threads(1)
    torch.manual_seed(3)
    assert torch.equal(y, dropout(torch.ones(4000, 9), 0.5))


@pytest.mark.parametrize("prob", [0.0, 1.0])
def test_all_or_nothing(prob):
    assert torch.equal(dropout(torch.ones(9), prob), torch.ones(9) * (1 - prob))


def test_other_dtypes_and_the_switch_fall_back(monkeypatch):
    assert dropout(torch.ones(99, dtype=torch.float64), 0.5).unique().tolist() == [0, 2]
    monkeypatch.setenv(native.SWITCH, "0")
    x = torch.ones(99, requires_grad=True)
    assert not dropout(x, 0.5).grad_fn.name().startswith("_")
