#!/usr/bin/env bash
# Praat's TextGrid files write a quotation mark within a label as two. One expects a library to
# give back what it wrote. praatio 6.2.2 doubles the marks of points as it writes the long
# format, and does not halve them as it reads: each time that a file is opened and saved, there
# are twice as many. Intervals, and points in the short format, come back as they were.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check praatio==6.2.2
cd "$folder"
venv/bin/python - <<'PYTHON'
from importlib.metadata import version

from praatio import textgrid
from praatio.data_classes.interval_tier import IntervalTier
from praatio.data_classes.point_tier import PointTier

print("praatio", version("praatio"))
LABEL = 'a "b"'
tiers = (
    PointTier("points", [(0.5, LABEL)], 0, 1),
    IntervalTier("intervals", [(0.2, 0.8, LABEL)], 0, 1),
)
for form in "short_textgrid", "long_textgrid":
    for tier in tiers:
        grid = textgrid.Textgrid()
        grid.addTier(tier)
        labels = []
        for _ in range(3):
            grid.save("a.TextGrid", format=form, includeBlankSpaces=True)
            grid = textgrid.openTextgrid("a.TextGrid", includeEmptyIntervals=False)
            labels.append(grid.tiers[0].entries[0].label)
        print(f"{form}, {tier.name}: saved and opened three times:", labels)
        if form == "long_textgrid" and tier.name == "points":
            assert [label.count('"') for label in labels] == [4, 8, 16]
        else:
            assert labels == [LABEL] * 3
PYTHON
