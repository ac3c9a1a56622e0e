#!/usr/bin/env bash
# torch.export takes example inputs for their shapes and types. One expects that their
# values and identities do not matter. With PyTorch 2.11, if one tensor object stands in two
# places of the example, such as zeros for two sums that a model carries on, the exported
# program has both inputs, and reads one of them in both places, without a word; so
# does the ONNX graph made of it. With a copy in the second place it is right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.11.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import torch

print("torch", torch.__version__)


class Sum(torch.nn.Module):
    def forward(self, a, b):
        return a + 10 * b


zeros, (one, two) = torch.zeros(1), torch.tensor([[1.0], [2.0]])
assert Sum()(one, two) == 21
for name, second, expected in ("itself", zeros, 22), ("a copy", zeros.clone(), 21):
    program = torch.export.export(Sum(), (zeros, second))
    inputs = program.graph_signature.user_inputs
    output = program.module()(one, two).item()
    print(f"zeros and {name} as example: inputs {inputs}, 1 + 10 * 2 = {output}")
    assert len(inputs) == 2
    assert output == expected
PYTHON
