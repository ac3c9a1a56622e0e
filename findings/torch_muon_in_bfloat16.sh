#!/usr/bin/env bash
# torch.optim.Muon optimizes float32 and float64 matrices, and one expects updates as exact as
# their type, as those of AdamW. PyTorch 2.11 orthogonalizes in bfloat16 whatever the type, which
# its docstring does not say: updates of float64 have eight bits, gradients that differ by a
# millionth have updates that differ by more than a thousandth, and on a CPU without AMX a step
# lasts longer than one in float32.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.11.0
cd "$folder"
OMP_NUM_THREADS=1 venv/bin/python - <<'PYTHON' 2>errors.txt || { cat errors.txt; exit 1; }
import time
from statistics import median

import torch
from torch import nn

print("torch", torch.__version__)
torch.manual_seed(0)


def orthogonalize(matrix, steps=5, a=3.4445, b=-4.7750, c=2.0315):
    """Iterate as Muon does, by default, in the matrix's own type."""
    x = matrix / matrix.norm()
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x


def update(gradient):
    """Return Muon's update of a matrix, after its first step."""
    matrix = nn.Parameter(torch.zeros_like(gradient))
    matrix.grad = gradient
    torch.optim.Muon([matrix], lr=1.0, weight_decay=0.0, momentum=0.0).step()
    return -matrix.detach()


gradient = torch.randn(128, 512, dtype=torch.float64)
exact, found = orthogonalize(gradient), update(gradient)
error = ((found - exact).norm() / exact.norm()).item()
print(f"float64, relative error of an update: {error:.1e}")
assert torch.equal(found, found.bfloat16().double())
assert 1e-3 < error < 1e-1
nearby = update(gradient * (1 + 1e-6 * torch.randn_like(gradient)))
apart = ((nearby - found).norm() / found.norm()).item()
print(f"gradients that differ by 1e-6 have updates that differ by {apart:.1e}")
assert apart > 1e-4

matrix = nn.Parameter(torch.zeros(128, 512))
matrix.grad = gradient.float()
muon = torch.optim.Muon([matrix], lr=1e-3)


def step_in_float32():
    matrix.data.sub_(orthogonalize(matrix.grad), alpha=1e-3)


seconds = {muon.step: [], step_in_float32: []}
for _ in range(51):
    for compute, times in seconds.items():
        started = time.perf_counter()
        compute()
        times.append(time.perf_counter() - started)
theirs, single = (1000 * median(times) for times in seconds.values())
print(f"a step {theirs:.1f} ms, in float32 {single:.1f} ms")
with open("/proc/cpuinfo") as cpu:
    assert theirs > 1.2 * single or "amx_bf16" in cpu.read()
PYTHON
