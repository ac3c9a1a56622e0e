#!/usr/bin/env bash
# onnx.compose.merge_models joins two models of the same version of ONNX's operators. One
# expects a model that imports this version once. With onnx 1.23.2 it imports it twice. The
# checker takes that and onnxruntime 1.32.0 runs it, but onnxruntime's quantize_dynamic
# finds no proper domain.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check onnx==1.23.2 onnxruntime==1.32.0
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
import onnx
import onnxruntime
from onnx import compose, parser
from onnxruntime.quantization import quantize_dynamic

print("onnx", onnx.__version__, "onnxruntime", onnxruntime.__version__)
TEXT = """<ir_version: 10, opset_import: ["" : 20]>
{0} (float[2] {0}_in) => (float[2] {0}_out) {{ {0}_out = Neg({0}_in) }}"""
first, second = (parser.parse_model(TEXT.format(name)) for name in ("first", "second"))
joined = compose.merge_models(first, second, io_map=[("first_out", "second_in")])
opsets = [(each.domain, each.version) for each in joined.opset_import]
print("imported:", opsets)
assert opsets == [("", 20), ("", 20)]
onnx.checker.check_model(joined)
session = onnxruntime.InferenceSession(joined.SerializeToString())
(output,) = session.run(None, {"first_in": np.ones(2, np.float32)})
assert output.tolist() == [1, 1]
try:
    quantize_dynamic(joined, "quantized.onnx")
except ValueError as error:
    print("quantize_dynamic:", error)
else:
    raise SystemExit("quantize_dynamic takes it now")
del joined.opset_import[1:]
quantize_dynamic(joined, "quantized.onnx")
print("with one import quantize_dynamic takes it")
PYTHON
