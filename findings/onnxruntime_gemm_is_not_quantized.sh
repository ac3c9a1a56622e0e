#!/usr/bin/env bash
# quantize_dynamic takes the operators to quantize, and Gemm is one that it knows. One
# expects op_types_to_quantize=["Gemm"] to quantize them. onnxruntime 1.32.0 first makes a
# MatMul and an Add of each Gemm, which are not in the list then: nothing is quantized, there
# is no error, and the model is as large as before. ["MatMul"] quantizes what was a Gemm.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON' 2>errors.txt || { cat errors.txt; exit 1; }
import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper, parser
from onnxruntime.quantization import quantize_dynamic

print("onnx", onnx.__version__, "onnxruntime", onnxruntime.__version__)
model = parser.parse_model("""<ir_version: 10, opset_import: ["" : 20]>
layer (float[N, 512] x) => (float[N, 512] y) { y = Gemm(x, weight, bias) }""")
rng = np.random.default_rng(0)
for name, shape in ("weight", (512, 512)), ("bias", 512):
    array = rng.standard_normal(shape).astype(np.float32)
    model.graph.initializer.append(numpy_helper.from_array(array, name))
onnx.checker.check_model(model)
found = {}
for operators in ["Gemm"], ["MatMul"]:
    quantize_dynamic(model, "quantized.onnx", op_types_to_quantize=operators)
    quantized = onnx.load("quantized.onnx")
    types = [node.op_type for node in quantized.graph.node]
    share = quantized.ByteSize() / model.ByteSize()
    print(f"{operators}: operators {types}, {share:.0%} of the size")
    found[operators[0]] = types, share
assert found["Gemm"][0] == ["MatMul", "Add"] and found["Gemm"][1] > 0.99
assert "MatMulInteger" in found["MatMul"][0] and found["MatMul"][1] < 0.3
PYTHON
