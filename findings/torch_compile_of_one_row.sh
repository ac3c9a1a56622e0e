#!/usr/bin/env bash
# The stride of a dimension of size 1 means nothing, and contiguous tensors of one shape are
# expected to share a compiled graph. torch.compile of PyTorch 2.11 compares that stride
# too: of segments cut from recordings (1, N, D), each length N has another graph with
# dynamic=False, and lengths from the ninth on run uncompiled. As the segments are
# contiguous already, neither contiguous() nor clone() changes the stride; to take the
# dimension away and add it again does.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.11.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON' 2>errors.txt || { cat errors.txt; exit 1; }
import torch
from torch._dynamo.testing import CompileCounter

print("torch", torch.__version__)
LENGTHS = range(100, 112)


def count_graphs(cut, dynamic):
    torch.compiler.reset()
    graphs = CompileCounter()
    double = torch.compile(lambda frames: 2 * frames, backend=graphs, dynamic=dynamic)
    strides = set()
    for length in LENGTHS:
        segment = cut(torch.ones(1, length, 4)[:, :50])
        assert segment.is_contiguous() and segment.shape == (1, 50, 4)
        strides.add(segment.stride())
        double(segment)
    return graphs.frame_count, len(strides)


for name, cut, expected in (
    ("as it is", lambda segment: segment, {False: 8, None: 2}),
    ("contiguous()", torch.Tensor.contiguous, {False: 8, None: 2}),
    ("clone()", torch.Tensor.clone, {False: 8, None: 2}),
    ("squeeze, unsqueeze", lambda segment: segment[0].unsqueeze(0), {False: 1, None: 1}),
):
    for dynamic, num_expected in expected.items():
        num_graphs, num_strides = count_graphs(cut, dynamic)
        print(
            f"{name}, dynamic={dynamic}: {len(LENGTHS)} segments of one shape,",
            f"{num_strides} stride(s), {num_graphs} graph(s)",
        )
        assert num_graphs == num_expected
PYTHON
