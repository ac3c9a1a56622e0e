#!/usr/bin/env bash
# Attention hides frames by scores of minus infinity, or very small ones, before the Softmax.
# One expects that this costs nothing. onnxruntime 1.32.0 computes with subnormal numbers on
# the way to their zeros, for which Intel's processors have a slow path: with half of the scores
# hidden, Softmax took 7 to 17 times as long where this was written. With the option
# session.set_denormal_as_zero it does not, if the first session of the process has it: each
# is timed in a process of its own.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
cd "$folder"
cat >run.py <<'PYTHON'
import statistics
import sys
import time

import numpy as np
import onnxruntime
from onnx import parser

TEXT = """<ir_version: 10, opset_import: ["" : 20]>
g (float[N, K] x) => (float[N, K] y) { y = Softmax<axis = -1>(x) }"""
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
options.add_session_config_entry("session.set_denormal_as_zero", sys.argv[1])
model = parser.parse_model(TEXT).SerializeToString()
session = onnxruntime.InferenceSession(model, options)
whole = np.random.default_rng(0).standard_normal((1000, 1000)).astype(np.float32)
hidden = whole.copy()
hidden[:, 500:] = -np.inf
medians = []
for scores in whole, hidden:
    seconds = []
    for _ in range(30):
        start = time.perf_counter()
        (weights,) = session.run(None, {"x": scores})
        seconds.append(time.perf_counter() - start)
    medians.append(statistics.median(seconds))
assert (weights[:, 500:] == 0).all()
print(
    f"{1e3 * medians[0]:.2f} ms with all scores, {1e3 * medians[1]:.2f} ms with half",
    end="",
)
print(" of them minus infinity;", medians[1] / medians[0], "times")
PYTHON
venv/bin/python -c 'import onnxruntime; print("onnxruntime", onnxruntime.__version__)'
for flag in 0 1; do
    venv/bin/python run.py "$flag" >"$flag.txt"
    echo "set_denormal_as_zero=$flag: $(cat "$flag.txt")"
done
awk '{ ratio[FILENAME] = $(NF - 1) } END { exit !(ratio["0.txt"] > 2 && ratio["1.txt"] < 1.7) }' \
    0.txt 1.txt
