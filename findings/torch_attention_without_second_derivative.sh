#!/usr/bin/env bash
# Meta-learning and gradient penalties differentiate gradients. The fused attention of GPUs
# is known not to have second derivatives; on a CPU, in float64, one expects them, as of
# every other function that is written out in formulas. PyTorch 2.11 takes a fused kernel
# there too, whose gradient cannot be differentiated. A dropout or the math backend brings
# them; a mask does not.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.11.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
from contextlib import nullcontext

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

print("torch", torch.__version__, "on a CPU, float64")
torch.manual_seed(0)
mask = torch.ones(5, 5, dtype=torch.bool).tril()


def has_second_derivative(backend=nullcontext(), **options):
    x = torch.randn(1, 2, 5, 4, dtype=torch.float64, requires_grad=True)
    with backend:
        y = scaled_dot_product_attention(x, x, x, **options)
    (grad,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
    try:
        torch.autograd.grad(grad.sum(), x)
    except RuntimeError as error:
        print("   ", error)
        return False
    return True


for name, expected, found in (
    ("as it is", False, has_second_derivative()),
    ("with a mask", False, has_second_derivative(attn_mask=mask)),
    ("with dropout", True, has_second_derivative(dropout_p=0.1)),
    ("math backend", True, has_second_derivative(sdpa_kernel(SDPBackend.MATH))),
):
    print(f"{name}: {'has' if found else 'has no'} second derivative")
    assert found == expected
PYTHON
