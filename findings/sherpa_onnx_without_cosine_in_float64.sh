#!/usr/bin/env bash
# sherpa-onnx 2.0.1 runs models by an onnxruntime of its own. One expects that it loads what
# the checker of onnx and onnxruntime of the same machine take, opset 17 being old. A cosine
# of float64 it refuses, which onnxruntime 1.32.0 has; one of float32 it takes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    onnx==1.23.2 onnxruntime==1.32.0 sherpa-onnx==2.0.1
cd "$folder"
venv/bin/python - <<'PYTHON'
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import sherpa_onnx
from onnx import TensorProto, parser

print("onnxruntime", onnxruntime.__version__, "sherpa-onnx", sherpa_onnx.__version__)
TEXT = """<ir_version: 8, opset_import: ["" : 17]>
model (float[batch, samples] x) => (float[batch, frames, 2] log_probs) {{
    wide = Cast<to = {}>(x)
    cosine = Cos(wide)
    narrow = Cast<to = 1>(cosine)
    shape = Constant<value_ints = [0, -1, 2]>()
    log_probs = Reshape(narrow, shape)
}}"""
Path("tokens.txt").write_text("<blank> 0\nA 1\n")


def load(kind):
    model = parser.parse_model(TEXT.format(kind))
    onnx.checker.check_model(model)
    onnx.save(model, "model.onnx")
    session = onnxruntime.InferenceSession("model.onnx")
    (output,) = session.run(None, {"x": np.zeros((1, 4), np.float32)})
    assert output.shape == (1, 2, 2)
    sherpa_onnx.OfflineRecognizer.from_omnilingual_asr_ctc(
        model="model.onnx", tokens="tokens.txt"
    )


load(TensorProto.FLOAT)
print("float32: loaded by both")
try:
    load(TensorProto.DOUBLE)
except RuntimeError as error:
    print("float64: loaded by onnxruntime; sherpa-onnx:", error)
    assert "Could not find an implementation for Cos" in str(error)
else:
    raise SystemExit("sherpa-onnx takes it now")
PYTHON
