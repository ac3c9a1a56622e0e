#!/usr/bin/env bash
# An override takes the place of what the file says. So one expects of an override that
# names another class, "made: !new:Other {hours: 2}", an object of that class. HyperPyYAML
# 1.2.3 keeps the class of the file, and joins the arguments of both, without a word. The
# class changes where the override has a list of arguments, or none.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    hyperpyyaml==1.2.3 ruamel.yaml==0.18.17
cd "$folder"
venv/bin/python - <<'PYTHON'
from datetime import timedelta
from fractions import Fraction
from functools import partial
from importlib.metadata import version
from types import SimpleNamespace

from hyperpyyaml import load_hyperpyyaml

print("hyperpyyaml", version("hyperpyyaml"), "ruamel.yaml", version("ruamel.yaml"))
file = "made: {}datetime.timedelta\n    days: 1\n"
for override, new, name in (
    (
        "{}types.SimpleNamespace {{hours: 2}}",
        timedelta(days=1, hours=2),
        partial(timedelta, days=1, hours=2),
    ),
    ("{}types.SimpleNamespace", SimpleNamespace(), SimpleNamespace),
    ("{}fractions.Fraction [3, 4]", Fraction(3, 4), partial(Fraction, 3, 4)),
):
    for tag, expected in ("!new:", new), ("!name:", name):
        text = "made: " + override.format(tag)
        made = load_hyperpyyaml(file.format(tag), text)["made"]
        print(text, "gives", made)
        # partial functions are equal only to themselves
        assert repr(made) == repr(expected)
PYTHON
