#!/usr/bin/env bash
# A word error rate counts words. One expects a tab, a line break or an ideographic space
# to part them, as for Python's split(). jiwer 4.0.0 parts words at the character U+0020
# alone: with another one between them two words are one, and the same text has an error
# rate of 200 %. Two characters of white space do part words, as they become one space.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check jiwer==4.0.0
cd "$folder"
venv/bin/python - <<'PYTHON'
from importlib.metadata import version

import jiwer

print("jiwer", version("jiwer"))
for space, once in (" ", 0), ("\t", 2), ("\n", 2), ("\u00a0", 2), ("\u3000", 2):
    for count, expected in (1, once), (2, 0):
        reference = f"good{count * space}morning"
        rate = jiwer.wer(reference, "good morning")
        print(f"{reference!r} and 'good morning': {rate}")
        assert reference.split() == ["good", "morning"]
        assert rate == expected
PYTHON
