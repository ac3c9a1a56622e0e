#!/usr/bin/env bash
# SpeechBrain recipes take keys of their YAML file as --key=value or --key value. One
# expects the value as it was typed, as the parser's own options are read (split once, at
# the first "="). SpeechBrain 1.1.2 puts a space for every "=" within a value, so a folder
# or an address becomes another one, without an error.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    speechbrain==1.1.2 torch==2.11.0 torchaudio==2.11.0
cd "$folder"
venv/bin/python - <<'PYTHON'
from importlib.metadata import version

from hyperpyyaml import load_hyperpyyaml
from speechbrain.utils.run_opts import RunOptions

print("speechbrain", version("speechbrain"))
for options in ["--data_folder=/data/split=clean"], ["--data_folder", "/data/split=clean"]:
    _, _, overrides = RunOptions.from_command_line_args(["train.yaml", *options])
    value = load_hyperpyyaml("data_folder: none", overrides)["data_folder"]
    print(*options, "gives", repr(value))
    assert value == "/data/split clean"
PYTHON
