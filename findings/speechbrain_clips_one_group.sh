#!/usr/bin/env bash
# SpeechBrain clips gradients to max_grad_norm, 5 unless told otherwise, and can keep
# weight decay from vectors, as the scales of norms and biases. One expects both to go
# together. The second option makes two groups of parameters, and SpeechBrain 1.1.2 clips
# the first of an optimizer's groups alone, which then holds the vectors: the matrices, so
# nearly all of a model, take their gradients as they come.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    speechbrain==1.1.2 torch==2.11.0 torchaudio==2.11.0
cd "$folder"
venv/bin/python - <<'PYTHON'
from functools import partial
from importlib.metadata import version

import torch
from speechbrain.core import Brain
from torch.utils.data import DataLoader


class Regression(Brain):
    def compute_forward(self, batch, stage):
        return self.modules.layer(batch)

    def compute_objectives(self, predictions, batch, stage):
        return 1e4 * predictions.square().mean()


def step_size(vectors_apart):
    torch.manual_seed(0)
    layer = torch.nn.Linear(4, 4)
    before = [parameter.detach().clone() for parameter in layer.parameters()]
    options = {"device": "cpu", "noprogressbar": True, "max_grad_norm": 1.0}
    options["remove_vector_weight_decay"] = vectors_apart
    optimizer = partial(torch.optim.SGD, lr=1.0)
    brain = Regression({"layer": layer}, optimizer, run_opts=options)
    brain.fit([1], DataLoader(torch.randn(8, 4), batch_size=8))
    return [(new - old).norm() for new, old in zip(layer.parameters(), before)]


print("speechbrain", version("speechbrain"), "with gradients clipped to a norm of 1")
for vectors_apart in False, True:
    matrix, vector = step_size(vectors_apart)
    print(f"vectors apart {vectors_apart}: matrix moves by {matrix:.3g}, vector {vector:.3g}")
    if vectors_apart:
        assert matrix > 1000 and abs(vector - 1) < 1e-3
    else:
        assert abs(torch.hypot(matrix, vector) - 1) < 1e-3
PYTHON
