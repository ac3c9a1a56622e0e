#!/usr/bin/env bash
# A comment in YAML changes nothing. HyperPyYAML 1.2.3 writes a file out again before it
# makes the objects, and once more where the file is included. ruamel.yaml 0.18.17 then puts
# the first object of a list, if a comment stands above it, on one line with its first
# argument: it becomes a key of that value, without an error. A comment between the object
# and its arguments is moved above it, and does the same in a file that is included.
# Outside of lists it does no harm.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    hyperpyyaml==1.2.3 ruamel.yaml==0.18.17
cd "$folder"
venv/bin/python - <<'PYTHON'
from functools import partial
from importlib.metadata import version
from math import isclose
from pathlib import Path

from hyperpyyaml import load_hyperpyyaml

print("hyperpyyaml", version("hyperpyyaml"), "ruamel.yaml", version("ruamel.yaml"))
PLAIN = """
made:
  - !name:math.isclose
    rel_tol: 0.1
    abs_tol: 0.2
"""
ABOVE = PLAIN.replace("  - ", "  # how near\n  - ")
BELOW = PLAIN.replace("isclose", "isclose\n    # how near")
ALONE = BELOW.replace("  - ", "  only: ").replace("\n    ", "\n      ")
right, wrong = partial(isclose, rel_tol=0.1, abs_tol=0.2), {isclose: 0.1, "abs_tol": 0.2}
for text, alone, included in (
    (PLAIN, [right], [right]),
    (ABOVE, [wrong], [wrong]),
    (BELOW, [right], [wrong]),
    (ALONE, {"only": right}, {"only": right}),
):
    print(text.strip())
    Path("part.yaml").write_text(text)
    Path("whole.yaml").write_text("part: !include:part.yaml\n")
    with open("part.yaml") as part, open("whole.yaml") as whole:
        first = load_hyperpyyaml(part)["made"]
        second = load_hyperpyyaml(whole)["part"]["made"]
    print("gives   ", first)
    print("included", second)
    # partial functions are equal only to themselves
    assert repr(first) == repr(alone) and repr(second) == repr(included)
PYTHON
