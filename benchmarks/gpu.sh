#!/usr/bin/env bash
# Correctness on CUDA first, then the speed of training steps: benchmarks/gpu.sh OUT
# Needs an installed package and one GPU; nothing is downloaded.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:?where to write the JSON files}
python=${PYTHON:-.venv/bin/python}
hparams=recipes/LibriSpeech/ASR/CTC/hparams
mkdir -p "$out"

"$python" -m pytest -q -m gpu tests
for model in lact_demo lact_base lact_improved; do
    for precision in --no-bf16 --bf16; do
        "$python" benchmarks/training_step.py "$hparams/$model.yaml" --device cuda \
            "$precision" | tee "$out/step_$model$precision.json"
    done
done
