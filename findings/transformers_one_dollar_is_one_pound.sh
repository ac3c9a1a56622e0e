#!/usr/bin/env bash
# The text normalizer of Whisper, by which many word error rates are computed, writes numbers
# as digits and keeps currencies: "two dollars" is "$2". One expects "$1" of "one dollar". In
# transformers 5.24.0 a later rule spells a lone 1 out again, and another one then drops the
# symbol or point before it: one dollar, one pound, one cent and point one are all "one", so
# that a recognizer which confuses them has no error, and 1.5 is "one.5".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    transformers==5.24.0 jiwer==4.0.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON' 2>errors.txt || { cat errors.txt; exit 1; }
from importlib.metadata import version

import jiwer
from transformers.models.whisper.english_normalizer import EnglishTextNormalizer

print("transformers", version("transformers"), "jiwer", version("jiwer"))
normalize = EnglishTextNormalizer({})
for text, expected in {
    "two dollars": "$2",
    "one dollar": " one",
    "one pound": " one",
    "one cent": " one",
    "point five": ".5",
    "point one": " one",
    "three point two": "3.2",
    "three point one": "3 one",
    "2.5": "2.5",
    "1.5": "one.5",
}.items():
    found = normalize(text)
    print(f"{text!r} becomes {found!r}")
    assert found == expected
for reference, hypothesis in (
    ("it costs one pound", "it costs one dollar"),
    ("it costs two pounds", "it costs two dollars"),
):
    rate = jiwer.wer(normalize(reference), normalize(hypothesis))
    print(f"{reference!r} recognized as {hypothesis!r}: word error rate {rate:.2f}")
    assert (rate == 0) == ("one" in reference)
PYTHON
