"""Newton-Schulz against the singular value decomposition."""

import pytest
import torch

from lact_modules.ops.ttt.orthogonalize import COEFFICIENTS, newton_schulz


def singular_value_error(name, shape):
    matrix = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    return (torch.linalg.svdvals(newton_schulz(matrix, name)) - 1).abs().mean()


@pytest.mark.parametrize(
    ("name", "bound"),
    [("keller_jordan", 0.2), ("lact", 0.03), ("polar_express", 0.002)],
)
def test_singular_values_reach_one(name, bound):
    assert singular_value_error(name, (128, 128)) < bound


@pytest.mark.parametrize("shape", [(3, 16, 8), (3, 8, 16)])
def test_singular_vectors_are_kept(shape):
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(*shape, generator=generator, dtype=torch.float64)
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    result = newton_schulz(matrix, "polar_express")
    torch.testing.assert_close(result, left @ right, atol=0.02, rtol=0)


@pytest.mark.parametrize("name", COEFFICIENTS)
def test_zero_stays_zero_with_finite_gradient(name):
    matrix = torch.zeros(4, 6, requires_grad=True)
    result = newton_schulz(matrix, name)
    result.sum().backward()
    assert result.abs().max() == 0
    assert matrix.grad.isfinite().all()


@pytest.mark.parametrize("shape", [(2, 3, 5), (5, 3)])
@pytest.mark.parametrize("name", COEFFICIENTS)
def test_gradients_of_both_orders(name, shape):
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(*shape, generator=generator, dtype=torch.float64)
    matrix.requires_grad_()

    def run(matrix):
        return newton_schulz(matrix, name)

    assert torch.autograd.gradcheck(run, matrix)
    assert torch.autograd.gradgradcheck(run, matrix)


def test_unknown_table_lists_the_choices():
    with pytest.raises(ValueError, match="keller_jordan"):
        newton_schulz(torch.eye(2), "nonsense")
