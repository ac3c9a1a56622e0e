#!/usr/bin/env bash
# Build flashlight-text, which has no wheels for Python 3.13, for the Python that is named:
#     tools/build_flashlight.sh .venv/bin/python
# Its own build fetches KenLM and pybind11 from their repositories, the latter in a version
# that Python 3.13 cannot take; here both come from the package index.
set -euo pipefail
python=$(realpath --no-symlinks "${1:?which python?}")
PATH=$(dirname "$python"):$PATH
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

pip() { "$python" -m pip --quiet --disable-pip-version-check "$@"; }
source_of() { pip download --no-deps --no-binary "${1%%=*}" "$1"; tar xf ./*.tar.gz; rm ./*.tar.gz; }

pip install camel-kenlm==2026.2.7 'pybind11>=3,<4' 'cmake>=3.25' 'setuptools>=77'
source_of flashlight-text==0.0.7
source_of camel-kenlm==2026.2.7

cd flashlight_text-* 2>/dev/null || cd flashlight-text-*
kenlm=$("$python" - <<'PYTHON'
import sys
import sysconfig

print(f"build/temp.{sysconfig.get_platform()}-{sys.implementation.cache_tag}/kenlm/kenlm")
PYTHON
)
mkdir -p "$kenlm"
mv ../camel_kenlm-* "$kenlm/kenlm"
pybind11_DIR=$("$python" -m pybind11 --cmakedir) pip install --no-build-isolation --no-deps .
"$python" -c 'import flashlight.lib.text.decoder.kenlm'
