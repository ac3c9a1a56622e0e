#!/usr/bin/env bash
# A WebVTT file may have comments and a name before each cue, and must write & as &amp;. One
# expects libraries to give the words that are spoken. pysubs2 1.8.1 reads WebVTT as SubRip:
# comments, and the name of the next cue, become lines of the text. It keeps &amp; as well, and
# so does webvtt-py 0.6.0, whose text is meant to be without markup. A word error rate counts
# all of it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    pysubs2==1.8.1 webvtt-py==0.6.0
cd "$folder"
venv/bin/python - <<'PYTHON'
from importlib.metadata import version

import pysubs2
import webvtt

print("pysubs2", version("pysubs2"), "webvtt-py", version("webvtt-py"))
TEXT = """WEBVTT

first
00:01.000 --> 00:02.000
<v Speaker>salt &amp; pepper</v>

NOTE not sure of the next word

second
00:02.000 --> 00:03.000
please
"""
by_webvtt = [caption.text for caption in webvtt.from_string(TEXT)]
by_pysubs2 = [event.plaintext for event in pysubs2.SSAFile.from_string(TEXT)]
print("webvtt-py:", by_webvtt)
print("pysubs2:", by_pysubs2)
assert by_webvtt == ["salt &amp; pepper", "please"]
NOTE = "\n\nNOTE not sure of the next word\n\nsecond"
assert by_pysubs2 == ["salt &amp; pepper" + NOTE, "please"]
PYTHON
