"""Newton-Schulz iteration: the orthogonal factor of a matrix by products alone."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from lact_modules.ops.cpu.fused import differentiate

Table = tuple[tuple[float, float, float], ...]

_KELLER_JORDAN = ((3.4445, -4.7750, 2.0315),) * 5

_LACT = (
    (4.0848, -6.8946, 2.9270),
    (3.9505, -6.3029, 2.6377),
    (3.7418, -5.5913, 2.3037),
    (2.8769, -3.1427, 1.2046),
    (2.8366, -3.0525, 1.2012),
)

_POLAR_EXPRESS = (
    (8.28721201814563, -23.595886519098837, 17.300387312530933),
    (4.107059111542203, -2.9478499167379106, 0.5448431082926601),
    (3.9486908534822946, -2.908902115962949, 0.5518191394370137),
    (3.3184196573706015, -2.488488024314874, 0.51004894012372),
    (2.300652019954817, -1.6689039845747493, 0.4188073119525673),
    (1.891301407787398, -1.2679958271945868, 0.37680408948524835),
    (1.8750014808534479, -1.2500016453999487, 0.3750001645474248),
)

COEFFICIENTS: dict[str, Table] = {
    "keller_jordan": _KELLER_JORDAN,
    "lact": _LACT,
    "polar_express": _POLAR_EXPRESS,
}
"""Quintic coefficients (a, b, c), one row an iteration.

keller_jordan: Muon (kellerjordan.github.io/posts/muon); lact: the published LaCT
code; polar_express: arXiv 2505.16932, whose seven steps are the most accurate.
"""


def newton_schulz(
    matrix: Tensor, coefficients: str = "lact", num_steps: int | None = None
) -> Tensor:
    """Move all singular values towards 1 and keep the singular vectors.

    Iterates ``X <- a X + (b A + c A^2) X`` with ``A = X X^T`` from
    ``X = matrix / |matrix|_F`` on the shorter side. A zero matrix stays zero.

    Arguments
    ---------
    matrix : Tensor
        (..., M, N), float32 or float64, or bfloat16, which gives wrong gradients.
    coefficients : str
        A name in `COEFFICIENTS`.
    num_steps : int | None
        Iterations, the last coefficients again where the table has fewer; None: as
        many as it has.

    Returns
    -------
    Tensor
        (..., M, N), same dtype.

    Raises
    ------
    ValueError
        If there is no such table.

    Example
    -------
    >>> _ = torch.manual_seed(0)
    >>> orthogonal = newton_schulz(torch.randn(32, 16), "polar_express")
    >>> torch.allclose(orthogonal.mT @ orthogonal, torch.eye(16), atol=0.05)
    True
    """
    if coefficients not in COEFFICIENTS:
        raise ValueError(
            f"coefficients={coefficients!r}: choose one of {sorted(COEFFICIENTS)}"
        )
    is_tall = matrix.shape[-2] > matrix.shape[-1]
    x = matrix.mT if is_tall else matrix
    # (..., M, N) -> (batch, M, N), for products that add in one go
    x = x.reshape(-1, *x.shape[-2:])
    x = x / (torch.linalg.vector_norm(x, dim=(-2, -1), keepdim=True) + 1e-7)
    table = COEFFICIENTS[coefficients]
    if num_steps is not None:
        table = (table + table[-1:] * num_steps)[:num_steps]
    x = _iterate(x, table)
    return (x.mT if is_tall else x).reshape(matrix.shape)


def _iterate(x: Tensor, table: Table) -> Tensor:
    if torch.compiler.is_compiling() or not x.requires_grad:
        return _walk(x, table)
    return _Iterate.apply(x, table)


def _walk(x: Tensor, table: Table) -> Tensor:
    for row in table:
        *_, x = _step(x, *row)
    return x


def _step(x: Tensor, a: float, b: float, c: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return ``A = x x^T``, the polynomial ``b A + c A^2``, and the next x."""
    gram = x @ x.mT
    polynomial = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
    return gram, polynomial, torch.baddbmm(x, polynomial, x, beta=a)


class _Iterate(Function):
    """With a gradient of four products a step, as gram and polynomial are symmetric."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, table: Table) -> Tensor:
        saved = []
        for row in table:
            before = x
            gram, polynomial, x = _step(x, *row)
            saved += [before, gram, polynomial]
        ctx.save_for_backward(*saved)
        ctx.table = table
        return x

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        saved = ctx.saved_tensors
        if torch.is_grad_enabled():
            return differentiate(_walk, (saved[0], ctx.table), ctx, grad)
        for index in reversed(range(len(ctx.table))):
            a, b, c = ctx.table[index]
            x, gram, polynomial = saved[3 * index : 3 * index + 3]
            # twice the symmetric part of the polynomial's gradient, then of gram's
            outer = grad @ x.mT
            slope = outer + outer.mT
            half = slope @ gram
            slope = (half + half.mT).mul_(c).add_(slope, alpha=b)
            grad = torch.baddbmm(grad, polynomial, grad, beta=a).baddbmm_(slope, x)
        return grad, None
