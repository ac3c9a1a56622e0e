#!/usr/bin/env bash
# CTC takes logarithms of probabilities, and one expects to be free in how these are made: a
# temperature or prior probabilities of the labels, applied behind log_softmax. PyTorch's loss
# is right then, but its gradient is the one through a log_softmax that comes last, whatever
# was computed: with PyTorch 2.11 it differs from differences of the loss itself, even in sign.
# Behind a second log_softmax it is right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.11.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import torch
from torch.nn.functional import ctc_loss

print("torch", torch.__version__)
torch.manual_seed(0)
scores = torch.randn(4, 1, 3, dtype=torch.float64)  # frames, batch, labels
TOKENS, FRAMES, COUNTS = torch.tensor([[1, 2]]), torch.tensor([4]), torch.tensor([2])
PRIOR = torch.tensor([0.7, 0.2, 0.1], dtype=torch.float64).log()
STEP = 1e-6


def measure(function):
    """Return the gradient by autograd and by central differences."""
    given = scores.clone().requires_grad_()
    function(given).backward()
    measured = torch.zeros(scores.numel(), dtype=torch.float64)
    for place in range(scores.numel()):
        step = torch.zeros_like(measured)
        step[place] = STEP
        step = step.view_as(scores)
        measured[place] = (function(scores + step) - function(scores - step)) / (
            2 * STEP
        )
    return given.grad.flatten(), measured


def loss(log_probs):
    return ctc_loss(log_probs, TOKENS, FRAMES, COUNTS, reduction="sum")


ways = {
    "log_softmax": lambda x: x.log_softmax(-1),
    "temperature behind it": lambda x: 0.5 * x.log_softmax(-1),
    "temperature, and once more": lambda x: (0.5 * x.log_softmax(-1)).log_softmax(-1),
    "prior behind it": lambda x: x.log_softmax(-1) - 0.5 * PRIOR,
    "prior, and once more": lambda x: (x.log_softmax(-1) - 0.5 * PRIOR).log_softmax(-1),
}
for name, way in ways.items():
    gradient, measured = measure(lambda x, way=way: loss(way(x)))
    error = (gradient - measured).abs().max()
    print(
        f"{name}: gradient of the first label {gradient[0]:.3f},",
        f"by differences {measured[0]:.3f}; largest error {error:.1e}",
    )
    if name.endswith("behind it"):
        assert error > 0.1 and (gradient * measured < -1e-3).any()
    else:
        assert error < 1e-6
PYTHON
