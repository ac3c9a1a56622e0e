#!/usr/bin/env bash
# A convolution in time over channels of their own, as encoders of speech have it in each
# block and for their positions, is the same as one over an image that is one pixel high. One
# expects the same speed. onnxruntime 1.32.0 has a faster layout for a CPU that takes images
# alone: as Conv in one dimension it lasts more than twice as long (5 times with 31 weights a
# channel, 17 times with 128 where this was written), with the same output.
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
FRAMES = 300
rng = np.random.default_rng(0)


def run(x, weight, pads):
    """Return the output of a convolution of each channel and its median seconds."""
    channels, sizes = len(weight), ", ".join(map(str, x.shape))
    spatial = ", ".join("ABC"[: x.ndim - 2])
    model = parser.parse_model(f"""<ir_version: 10, opset_import: ["" : 20]>
    g (float[{sizes}] x) => (float[1, {channels}, {spatial}] y)
    {{ y = Conv<group = {channels}, pads = {pads}>(x, weight) }}""")
    model.graph.initializer.append(numpy_helper.from_array(weight, "weight"))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    (output,) = session.run(None, {"x": x})
    seconds = []
    for _ in range(25):
        start = time.perf_counter()
        session.run(None, {"x": x})
        seconds.append(time.perf_counter() - start)
    return output, statistics.median(seconds)


for channels, kernel in (256, 31), (512, 128):
    x = rng.standard_normal((1, channels, FRAMES)).astype(np.float32)
    weight = rng.standard_normal((channels, 1, kernel)).astype(np.float32)
    one, slow = run(x, weight, [kernel - 1, 0])
    two, fast = run(x[:, :, None], weight[:, :, None], [0, kernel - 1, 0, 0])
    print(
        f"{channels} channels, {kernel} weights each: Conv in one dimension",
        f"{1e3 * slow:.2f} ms, in two {1e3 * fast:.2f} ms",
    )
    assert np.allclose(one, two[:, :, 0], atol=1e-3)
    assert slow > 2 * fast
PYTHON
