#!/usr/bin/env bash
# HyperPyYAML resolves references by writing the YAML anew, and then reads what it wrote. One
# expects an object within a list on one line to be built as anywhere else. With exactly one
# argument its braces are lost on the way, `[!new:a.B {c: 1}]` becoming `[!new:a.B c: 1]`:
# an error about an unhashable key, in a file that does not hold it. Two arguments, or one
# object on a line of its own, are built.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    hyperpyyaml==1.2.3 ruamel.yaml==0.18.17
cd "$folder"
venv/bin/python - <<'PYTHON'
from importlib.metadata import version

from hyperpyyaml import load_hyperpyyaml, resolve_references

print("hyperpyyaml", version("hyperpyyaml"), "ruamel.yaml", version("ruamel.yaml"))
lists = {
    "one argument": "layers: [!new:collections.Counter {a: 1}]",
    "two arguments": "layers: [!new:collections.Counter {a: 1, b: 2}]",
    "a line of its own": "layers:\n- !new:collections.Counter {a: 1}",
}
for name, text in lists.items():
    resolved = resolve_references(text).read().strip()
    try:
        made = load_hyperpyyaml(text)["layers"]
    except Exception as error:
        made = type(error).__name__
    print(f"{name}: {text!r} is resolved to {resolved!r}: {made}")
    if name == "one argument":
        assert resolved == "layers: [!new:collections.Counter a: 1]"
        assert made == "ConstructorError"
    else:
        assert resolved == text and made[0]["a"] == 1
PYTHON
