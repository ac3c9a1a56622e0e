#!/usr/bin/env bash
# A TextGrid in the short format is a list of numbers and quoted texts, and tgt 1.5 writes none
# of the line breaks that might follow the last. One expects praatio to read all of it, or to
# complain. praatio 6.2.2 takes what it cannot find a line break behind for the end of the
# tier: the last word of a recording, or the last point, is gone without an error.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    praatio==6.2.2 tgt==1.5 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
from importlib.metadata import version
from pathlib import Path

import tgt
from praatio import textgrid

print("praatio", version("praatio"), "tgt", version("tgt"))
WORDS, TONES = ["hello", "again"], ["L*", "H*"]
words = tgt.IntervalTier(0, 1, "words")
for start, word in zip((0, 0.5), WORDS, strict=True):
    words.add_interval(tgt.Interval(start, start + 0.5, word))
tones = tgt.PointTier(0, 1, "tones")
for time, tone in zip((0.2, 0.7), TONES, strict=True):
    tones.add_point(tgt.Point(time, tone))
for tier, labels in (words, WORDS), (tones, TONES):
    grid = tgt.TextGrid()
    grid.add_tier(tier)
    path = Path(f"{tier.name}.TextGrid")
    tgt.write_to_file(grid, path, format="short")
    text = path.read_text()
    assert text.endswith('"')
    assert [entry.text for entry in tgt.read_textgrid(path).tiers[0]] == labels
    for end in "", "\n":
        path.write_text(text + end)
        (read,) = textgrid.openTextgrid(path, includeEmptyIntervals=False).tiers
        found = [entry.label for entry in read.entries]
        print(f"{path} that ends in {text[-3:] + end!r}: praatio reads {found}")
        assert found == (labels if end else labels[:-1])
PYTHON
