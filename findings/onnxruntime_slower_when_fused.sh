#!/usr/bin/env bash
# onnxruntime joins a residual sum and the layer normalization behind it, as every Transformer
# has them, to one SkipLayerNormalization. One expects that this saves time. On a CPU, the
# fused operator of onnxruntime 1.32.0 takes more than three times as long as the two (6 to 13
# times where this was written), for each width tried, with the same output. All default
# sessions fuse; disabled_optimizers=["SkipLayerNormFusion"] keeps the two.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import statistics
import time

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper, parser

print("onnx", onnx.__version__, "onnxruntime", onnxruntime.__version__)
FRAMES = 1000
rng = np.random.default_rng(0)


def run(model, inputs, disabled):
    """Return the operators of the optimized graph, its output and median seconds."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    options.optimized_model_filepath = "optimized.onnx"
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, disabled_optimizers=disabled
    )
    (output,) = session.run(None, inputs)
    seconds = []
    for _ in range(25):
        start = time.perf_counter()
        session.run(None, inputs)
        seconds.append(time.perf_counter() - start)
    nodes = onnx.load("optimized.onnx").graph.node
    return [node.op_type for node in nodes], output, statistics.median(seconds)


for width in 256, 512:
    model = parser.parse_model(f"""<ir_version: 10, opset_import: ["" : 20]>
    block (float[1, T, {width}] x, float[1, T, {width}] skip)
        => (float[1, T, {width}] y) {{
        total = Add(x, skip)
        y = LayerNormalization<axis = -1>(total, scale, bias)
    }}""")
    for name in "scale", "bias":
        array = rng.standard_normal(width).astype(np.float32)
        model.graph.initializer.append(numpy_helper.from_array(array, name))
    inputs = {
        name: rng.standard_normal((1, FRAMES, width)).astype(np.float32)
        for name in ("x", "skip")
    }
    fused, one, slow = run(model, inputs, [])
    plain, other, fast = run(model, inputs, ["SkipLayerNormFusion"])
    print(f"width {width}: {fused} {1e3 * slow:.2f} ms, {plain} {1e3 * fast:.2f} ms")
    assert fused == ["SkipLayerNormalization"] and plain == [
        "Add",
        "LayerNormalization",
    ]
    assert np.allclose(one, other, atol=1e-4)
    assert slow > 3 * fast
PYTHON
