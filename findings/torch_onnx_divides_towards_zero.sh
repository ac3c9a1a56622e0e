#!/usr/bin/env bash
# -(-n // 32) is Python's usual way to divide by 32 and round up. One expects that it means
# the same of a dynamic length in an exported graph. torch.onnx of PyTorch 2.11 makes a Div
# of ONNX of //, which rounds towards zero, while Python rounds down: n = 33 gives 1 in place
# of 2, and n = 31 gives 0 in place of 1. The export succeeds without a warning, and
# multiples of 32 are right. (n + 31) // 32 is right for all.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.11.0 \
    numpy==2.4.6 onnx==1.23.2 onnxscript==0.7.2 onnxruntime==1.32.0
cd "$folder"
venv/bin/python - <<'PYTHON' 2>errors.txt || { cat errors.txt; exit 1; }
import numpy as np
import onnxruntime
import torch
from torch.export import Dim

print("torch", torch.__version__, "onnxruntime", onnxruntime.__version__)


class Negated(torch.nn.Module):
    def forward(self, x):
        return torch.zeros(-(-x.shape[0] // 32))


class Added(torch.nn.Module):
    def forward(self, x):
        return torch.zeros((x.shape[0] + 31) // 32)


for module, found in (Negated(), [0, 1, 1, 2]), (Added(), [1, 1, 2, 2]):
    program = torch.onnx.export(
        module,
        (torch.zeros(40),),
        dynamic_shapes=({0: Dim("n")},),
        dynamo=True,
        verbose=False,
    )
    graph = program.model_proto.SerializeToString()
    session = onnxruntime.InferenceSession(graph)
    (given,) = session.get_inputs()
    counts = [
        len(session.run(None, {given.name: np.zeros(n, np.float32)})[0])
        for n in (31, 32, 33, 64)
    ]
    print(f"{type(module).__name__}: n of 31, 32, 33, 64 is divided into {counts}")
    assert [len(module(torch.zeros(n))) for n in (31, 32, 33, 64)] == [1, 1, 2, 2]
    assert counts == found
PYTHON
