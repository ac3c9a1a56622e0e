#!/usr/bin/env bash
# A condition on a length that is exported as dynamic, here whether a signal must be padded to
# a multiple of four, cannot be in a graph without branches. torch.export refuses it:
# "Constraints violated". One expects the same of torch.onnx.export, which calls it. With
# PyTorch 2.11 it succeeds without a word, also with verify=True, and the graph does for all
# lengths what was done for the example: it pads none, and drops the end of each signal.
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


class FramesOfFour(torch.nn.Module):
    def forward(self, x):
        rest = x.shape[0] % 4
        if rest:
            x = torch.nn.functional.pad(x, (0, 4 - rest))
        return x.unfold(0, 4, 4).sum(-1)


module = FramesOfFour().eval()
example = {"args": (torch.ones(8),), "dynamic_shapes": ({0: Dim("n")},)}
try:
    torch.export.export(module, **example)
except Exception as error:
    print("torch.export:", type(error).__name__, str(error).splitlines()[0])
else:
    raise SystemExit("torch.export takes it now")
program = torch.onnx.export(module, **example, dynamo=True, verify=True, verbose=False)
session = onnxruntime.InferenceSession(program.model_proto.SerializeToString())
(given,) = session.get_inputs()
for length in 8, 9, 11, 12:
    expected = module(torch.ones(length)).tolist()
    (found,) = session.run(None, {given.name: np.ones(length, np.float32)})
    print(f"{length} samples: PyTorch {expected}, the exported graph {found.tolist()}")
    assert found.tolist() == [4.0] * (length // 4)
    assert (found.tolist() == expected) == (length % 4 == 0)
print("names of the dimension:", given.shape)
assert given.shape == ["n"]
PYTHON
