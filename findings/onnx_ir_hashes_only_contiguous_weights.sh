#!/usr/bin/env bash
# onnx_ir has two passes that make one of equal weights: DeduplicateInitializersPass compares
# their bytes, DeduplicateHashedInitializersPass their SHA-512, to need less memory. One
# expects the same of both. With onnx_ir 1.1.0 the second raises where a weight is a transposed
# view: it hashes the array in place, which must be contiguous.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check onnx-ir==1.1.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import (
    DeduplicateHashedInitializersPass,
    DeduplicateInitializersPass,
)

print("onnx_ir", ir.__version__, "numpy", np.__version__)


def make_model(arrays):
    values = []
    for name, array in zip("ab", arrays, strict=True):
        tensor = ir.tensor(array, name=name)
        values.append(
            ir.Value(
                name=name,
                shape=tensor.shape,
                type=ir.TensorType(tensor.dtype),
                const_value=tensor,
            )
        )
    node = ir.node("Add", values)
    graph = ir.Graph(
        [], node.outputs, nodes=[node], initializers=values, opset_imports={"": 20}
    )
    return ir.Model(graph, ir_version=10)


weight = np.arange(6, dtype=np.float32).reshape(2, 3)
found = {}
for name, arrays in (
    ("contiguous", (weight, weight.copy())),
    ("transposed", (weight.T, weight.T)),
):
    for kind in DeduplicateInitializersPass, DeduplicateHashedInitializersPass:
        model = make_model(arrays)
        try:
            kind()(model)
            result = f"keeps {', '.join(model.graph.initializers)}"
        except ValueError as error:
            result = f"{type(error).__name__}: {error}"
        print(f"{name}: {kind.__name__}: {result}")
        found[name, kind] = result
assert found.pop(("transposed", DeduplicateHashedInitializersPass)).startswith(
    "ValueError"
)
assert set(found.values()) == {"keeps a"}
PYTHON
