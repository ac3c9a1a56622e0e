#!/usr/bin/env bash
# A lexicon may have many words of one spelling, as homophones in a lexicon of sounds. The
# trie of flashlight-text 0.0.7 keeps six of them, those that were inserted first. It says
# so on stderr, and the seventh word can never be recognized, however likely the language
# model finds it. One expects no limit, or the words with the best scores.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check flashlight-text==0.0.7
cd "$folder"
venv/bin/python - <<'PYTHON'
from importlib.metadata import version

from flashlight.lib.text.decoder import Trie

print("flashlight-text", version("flashlight-text"))
trie = Trie(3, 0)
for word in range(8):
    # the last one has the best score
    trie.insert([1, 2, 0], word, float(word))
node = trie.search([1, 2, 0])
print("8 words inserted, kept:", node.labels, "with scores", node.scores)
assert node.labels == [0, 1, 2, 3, 4, 5]
PYTHON
