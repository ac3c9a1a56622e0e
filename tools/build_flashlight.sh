#!/usr/bin/env bash
# Build flashlight-text, which has no wheels for Python 3.13, for the Python that is named:
#     bash tools/build_flashlight.sh .venv/bin/python
# Its own build takes KenLM, and a pybind11 too old for Python 3.13, from their repositories;
# here both come from the package index.
set -euo pipefail
python=$(realpath --no-symlinks "${1:?which python?}")
PATH=$(dirname "$python"):$PATH
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

pip() { "$python" -m pip --quiet --disable-pip-version-check "$@"; }

unpack() {
    pip download --no-deps --no-binary "${1%%=*}" "$1"
    tar xf ./*.tar.gz
    rm ./*.tar.gz
}

echo "Building flashlight-text for Python 3.13 (one or two minutes) ..."
pip install camel-kenlm==2026.2.7 'pybind11>=3,<4' 'cmake>=3.25' 'setuptools>=77'
unpack camel-kenlm==2026.2.7
unpack flashlight-text==0.0.7
# where setup.py puts what it fetches, and leaves what is there
kenlm=flashlight-text-0.0.7/$("$python" -c 'import sys, sysconfig
print(f"build/temp.{sysconfig.get_platform()}-{sys.implementation.cache_tag}/kenlm/kenlm")')
mkdir -p "$kenlm"
mv camel_kenlm-2026.2.7 "$kenlm/kenlm"
pybind11_DIR=$("$python" -m pybind11 --cmakedir) \
    pip install --no-build-isolation --no-deps ./flashlight-text-0.0.7
"$python" -c 'import flashlight.lib.text.decoder.kenlm'
