"""Newton-Schulz iteration: the orthogonal factor of a matrix by products alone."""

import torch
from torch import Tensor

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

COEFFICIENTS = {
    "keller_jordan": _KELLER_JORDAN,
    "lact": _LACT,
    "polar_express": _POLAR_EXPRESS,
}
"""Quintic coefficients (a, b, c), one row an iteration.

keller_jordan: Muon (kellerjordan.github.io/posts/muon); lact: the published LaCT
code; polar_express: arXiv 2505.16932, whose seven steps are the most accurate.
"""


def newton_schulz(matrix: Tensor, coefficients: str = "lact") -> Tensor:
    """Move all singular values towards 1 and keep the singular vectors.

    Iterates ``X <- a X + (b A + c A^2) X`` with ``A = X X^T`` from
    ``X = matrix / |matrix|_F`` on the shorter side. A zero matrix stays zero.

    Arguments
    ---------
    matrix : Tensor
        (..., M, N), float32 or float64: bf16 gives wrong gradients.
    coefficients : str
        A name in `COEFFICIENTS`.

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
    for a, b, c in COEFFICIENTS[coefficients]:
        gram = x @ x.mT
        polynomial = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        x = torch.baddbmm(x, polynomial, x, beta=a)
    return (x.mT if is_tall else x).reshape(matrix.shape)
