#!/usr/bin/env bash
# KenLM reads ARPA files that gzip, bzip2 or xz has packed, and flashlight-text brings
# KenLM along. One expects both to read the same files. flashlight-text 0.0.7 reads those of
# gzip alone; and neither reads a model of single words, which is valid ARPA.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    flashlight-text==0.0.7 kenlm==0.3.0
cd "$folder"
venv/bin/python - <<'PYTHON' 2>errors.txt || { cat errors.txt; exit 1; }
import bz2
import gzip
import lzma
from importlib.metadata import version

import kenlm
from flashlight.lib.text.decoder.kenlm import KenLM
from flashlight.lib.text.dictionary import Dictionary

HEAD = "\\data\\\nngram 1=4\n{}\n\\1-grams:\n"
WORDS = "-1\t<unk>\n-1\t<s>{0}\n-1\t</s>\n-0.5\tyes{0}\n"
PAIRS = "\n\\2-grams:\n-0.2\t<s> yes\n"
END = "\n\\end\\\n"
single = HEAD.format("") + WORDS.format("") + END
pairs = HEAD.format("ngram 2=1\n") + WORDS.format("\t-0.3") + PAIRS + END
for name, text, open_file in [
    ("pairs.arpa", pairs, open),
    ("pairs.arpa.gz", pairs, gzip.open),
    ("pairs.arpa.bz2", pairs, bz2.open),
    ("pairs.arpa.xz", pairs, lzma.open),
    ("single.arpa", single, open),
]:
    with open_file(name, "wt") as file:
        file.write(text)


def reads(load, name):
    try:
        load(name)
    except (OSError, RuntimeError):
        return False
    return True


dictionary = Dictionary(["yes", "</s>"])
packings = ["", ".gz", ".bz2", ".xz"]
alone = [reads(kenlm.Model, f"pairs.arpa{each}") for each in packings]
inside = [
    reads(lambda name: KenLM(name, dictionary), f"pairs.arpa{each}") for each in packings
]
print("plain, gzip, bzip2, xz")
print("kenlm", version("kenlm"), alone)
print("flashlight-text", version("flashlight-text"), inside)
single = reads(kenlm.Model, "single.arpa")
print("single words:", single)
assert alone == [True, True, True, True]
assert inside == [True, True, False, False]
assert not single and not reads(lambda name: KenLM(name, dictionary), "single.arpa")
PYTHON
