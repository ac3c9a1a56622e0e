"""What is done to frames in C++ against the same in PyTorch."""

import pytest
import torch

from lact_modules.ops import native
from lact_modules.ops.heads import Activation, split_heads
from lact_modules.ops.rotary import make_rotation, rotate

HEADS, SIZE = 3, 6
WIDTH = HEADS * SIZE


@pytest.fixture
def compiled():
    if native.load_native("heads.cpp") is None:
        pytest.skip("no C++ compiler")


def draw(num_frames, dtype=torch.float64):
    generator = torch.Generator().manual_seed(num_frames)
    x = torch.randn(2, num_frames, 2 * WIDTH, generator=generator, dtype=dtype)
    scale, offset = torch.randn(2, WIDTH, generator=generator, dtype=dtype)
    return [each.requires_grad_() for each in (x, scale, offset)]


def run(inputs, activated, unit, rotated):
    """Give heads of the second half of the channels, and all gradients."""
    x, scale, offset = inputs
    rotation = make_rotation(2, x.shape[1], SIZE, like=x) if rotated else None
    activation = Activation(scale, offset) if activated else None
    y = split_heads(x[..., WIDTH:], HEADS, activation, unit, rotation)
    weight = torch.linspace(-1, 2, y.numel(), dtype=y.dtype).view_as(y)
    wanted = inputs if activated else inputs[:1]
    return y, [y, *torch.autograd.grad(y, wanted, weight, create_graph=True)]


FORMS = [(True, True, True), (True, True, False), (True, False, False)]
FORMS += [(False, False, True), (False, True, False), (False, False, False)]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("num_frames", [1, 7, 40])
def test_both_forms_agree(num_frames, form, compiled):
    inputs = draw(num_frames)
    singles = [each.detach().float().requires_grad_() for each in inputs]
    _, expected = run(inputs, *form)
    y, found = run(singles, *form)
    assert "SplitHeads" in type(y.grad_fn).__name__
    for each, wanted in zip(found, expected, strict=True):
        torch.testing.assert_close(each.double(), wanted, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("form", FORMS)
def test_the_first_gradient_does_not_depend_on_a_second(form, compiled):
    inputs = [each.detach().float().requires_grad_() for each in draw(9)]
    y, found = run(inputs, *form)
    weight = torch.linspace(-1, 2, y.numel()).view_as(y)
    alone = torch.autograd.grad(y, inputs if form[0] else inputs[:1], weight)
    for each, wanted in zip(alone, found[1:], strict=True):
        torch.testing.assert_close(each, wanted, atol=1e-5, rtol=1e-4)


def test_second_gradients_agree(compiled):
    results = []
    for dtype in (torch.float64, torch.float32):
        inputs = [each.detach().to(dtype).requires_grad_() for each in draw(9)]
        _, (_, *gradients) = run(inputs, True, True, True)
        total = sum(gradient.square().sum() for gradient in gradients)
        results.append(torch.autograd.grad(total, inputs))
    for wanted, each in zip(*results, strict=True):
        torch.testing.assert_close(each.double(), wanted, atol=1e-3, rtol=1e-3)


def test_a_head_of_zeros_stays_finite(compiled):
    x = torch.zeros(1, 2, WIDTH, requires_grad=True)
    y = split_heads(x, HEADS, unit=True)
    y.sum().backward()
    assert y.eq(0).all()
    assert x.grad.isfinite().all()


def test_threads_change_nothing(compiled):
    inputs = [each.detach().float().requires_grad_() for each in draw(20)]
    _, alone = run(inputs, True, True, True)
    torch.set_num_threads(3)
    try:
        _, together = run(inputs, True, True, True)
    finally:
        torch.set_num_threads(1)
    assert all(map(torch.equal, alone, together))


def test_without_a_compiler_pytorch_does_it(monkeypatch):
    monkeypatch.setenv(native.SWITCH, "0")
    inputs = [each.detach().float().requires_grad_() for each in draw(9)]
    y, _ = run(inputs, True, True, True)
    assert "SplitHeads" not in type(y.grad_fn).__name__


def test_rotation_keeps_norms_and_sees_distances_alone():
    x, y = torch.randn(2, 1, 2, 6, 8, dtype=torch.float64)

    def rotated(each, first):
        return rotate(each, make_rotation(first, 6, 8, like=each))

    torch.testing.assert_close(rotated(x, 0).norm(dim=-1), x.norm(dim=-1))
    here = (rotated(x, 0) * rotated(y, 2)).sum(-1)
    later = (rotated(x, 1_000_007) * rotated(y, 1_000_009)).sum(-1)
    torch.testing.assert_close(here, later, atol=1e-6, rtol=1e-6)
