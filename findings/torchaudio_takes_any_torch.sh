#!/usr/bin/env bash
# torchaudio 2.11.1 declares `torch>=2.11`, and its description says "including all future
# releases". One expects that it can be imported with PyTorch 2.12, and pip, which sees no
# conflict, installs the two. Its library asks for symbols that PyTorch has since 2.13, so
# that the import fails. Release 2.11.0, which declares nothing, can be imported with it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
pip() { "$folder/venv/bin/pip" --quiet --disable-pip-version-check "$@"; }
pip install torch==2.12.0 torchaudio==2.11.1 numpy==2.4.6
pip check
cd "$folder"
if venv/bin/python -c 'import torchaudio' 2>error; then
    echo "torchaudio 2.11.1 can be imported" >&2
    exit 1
fi
tail -n 1 error
grep --quiet 'torch_exception_get_what' error
pip install torchaudio==2.11.0
venv/bin/python -c '
import torch, torchaudio
print(f"torchaudio {torchaudio.__version__} is imported with torch {torch.__version__}")'
