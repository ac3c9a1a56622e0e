#!/usr/bin/env bash
# In the STM format of NIST, which TED-LIUM and meetings are scored by, a label in angle brackets
# may precede the words, {a / b} lets either word count, and ignore_time_segment_in_scoring
# takes a stretch of time out. MeetEval 0.4.3 refers to that format, and one expects a perfect
# hypothesis to have no error. All three are counted as words that were missed, without a
# warning; only comments are known.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check meeteval==0.4.3 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
from importlib.metadata import version

from meeteval.io import STM
from meeteval.wer import cpwer

print("meeteval", version("meeteval"))
HYPOTHESIS = STM.parse("talk 1 speaker 0.0 2.0 we will see\n")
for name, reference, missed in (
    ("comment", ";; made by hand\ntalk 1 speaker 0.0 2.0 we will see\n", 0),
    ("label", "talk 1 speaker 0.0 2.0 <o,f0,female> we will see\n", 1),
    ("alternatives", "talk 1 speaker 0.0 2.0 we { will / shall } see\n", 4),
    (
        "stretch to ignore",
        "talk 1 speaker 0.0 2.0 we will see\n"
        "talk 1 speaker 2.0 3.0 ignore_time_segment_in_scoring\n",
        1,
    ),
):
    rate = cpwer(STM.parse(reference), HYPOTHESIS)["talk"]
    print(f"{name}: {rate.errors} errors, {rate.deletions} of them missed words")
    assert (rate.errors, rate.deletions) == (missed, missed)
PYTHON
