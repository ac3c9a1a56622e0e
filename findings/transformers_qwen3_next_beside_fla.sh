#!/usr/bin/env bash
# Qwen3-Next of transformers 5.24.0 has a gated delta rule in PyTorch, for machines that have
# no kernel. With flash-linear-attention 0.6.0 installed, which one package of a project may
# bring along, the model file takes fla's functions at import, and the one in PyTorch calls
# fla's Triton normalization: on tensors of a CPU, on a machine without a GPU, it raises
# "0 active drivers". Without the package it runs.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    torch==2.11.0 transformers==5.24.0 flash-linear-attention==0.6.0 "triton>=3.3"
cat > "$folder/rule.py" <<'PYTHON'
import warnings
from importlib.metadata import PackageNotFoundError, version

warnings.simplefilter("ignore")
import torch
from transformers.models.qwen3_next.modeling_qwen3_next import (
    torch_chunk_gated_delta_rule,
)

try:
    print("flash-linear-attention", version("flash-linear-attention"))
except PackageNotFoundError:
    print("flash-linear-attention is not installed")
assert not torch.cuda.is_available(), "wants a machine without a GPU"
query, key, value = torch.randn(3, 1, 64, 2, 16)
gate, beta = -torch.rand(1, 64, 2), torch.rand(1, 64, 2)
try:
    output, _ = torch_chunk_gated_delta_rule(
        query, key, value, gate, beta, use_qk_l2norm_in_kernel=True
    )
    print("runs:", tuple(output.shape))
except RuntimeError as error:
    print("RuntimeError:", str(error).splitlines()[0])
PYTHON
cd "$folder"
with=$(venv/bin/python rule.py 2>/dev/null)
venv/bin/pip uninstall --quiet --yes flash-linear-attention fla-core
without=$(venv/bin/python rule.py 2>/dev/null)
printf '%s\n%s\n' "$with" "$without"
grep -q "RuntimeError: 0 active drivers" <<< "$with"
grep -q "runs: (1, 64, 2, 16)" <<< "$without"
