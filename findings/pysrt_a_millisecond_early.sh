#!/usr/bin/env bash
# SubRip has times in milliseconds, and pysrt takes seconds as a number. One expects the nearest
# millisecond. pysrt 1.1.2 cuts the product with 1000 off, which is often a little below the
# whole number: 1.001 s is written as 00:00:01,000. Over a minute, 372 of 60,000 times that
# have three decimals are a millisecond early, and cues that follow each other overlap or part.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pysrt==1.1.2
cd "$folder"
venv/bin/python - <<'PYTHON'
from importlib.metadata import version

from pysrt import SubRipTime

print("pysrt", version("pysrt"))


def write_and_read(milliseconds):
    return SubRipTime.from_string(str(SubRipTime(seconds=milliseconds / 1000))).ordinal


print("1.001 s is written as", SubRipTime(seconds=1.001))
read = [write_and_read(milliseconds) for milliseconds in range(60000)]
early = [place for place, found in enumerate(read) if found < place]
print(f"{len(early)} of 60000 are early, the first ones {early[:4]}")
assert str(SubRipTime(seconds=1.001)) == "00:00:01,000" and len(early) > 100
assert all(found in (place - 1, place) for place, found in enumerate(read))
PYTHON
