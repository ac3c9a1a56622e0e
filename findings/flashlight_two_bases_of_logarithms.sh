#!/usr/bin/env bash
# A CTC model gives natural logarithms of probabilities, and a beam search adds those of a
# language model. With a weight of 1 one expects the product of both. KenLM counts to the
# base of ten, and flashlight-text 0.0.7 adds what it says as it is: the language model
# counts for less than half. The product takes a weight of ln 10, and a weight tuned in a
# decoder that converts, as SpeechBrain's own does, is another one here.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    flashlight-text==0.0.7 kenlm==0.3.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON' 2>errors.txt || { cat errors.txt; exit 1; }
import math
from importlib.metadata import version

import kenlm
import numpy as np
from flashlight.lib.text.decoder import (
    CriterionType,
    LexiconDecoder,
    LexiconDecoderOptions,
    SmearingMode,
    Trie,
)
from flashlight.lib.text.decoder.kenlm import KenLM
from flashlight.lib.text.dictionary import Dictionary

print("flashlight-text", version("flashlight-text"), "kenlm", version("kenlm"))
# "yes" is eight times as likely as "no" in the text, and "no" three times in the sound
TEXT = {"yes": 0.8, "no": 0.1}
BLANK, SILENCE, SOUND = 0, 1, {"yes": (2, 0.2), "no": (3, 0.6)}
pairs = [f"{math.log10(TEXT[word])}\t<s> {word}\n" for word in TEXT]
pairs += [f"0\t{word} </s>\n" for word in TEXT]
with open("words.arpa", "w") as file:
    file.write("\\data\\\nngram 1=5\nngram 2=4\n\n\\1-grams:\n-3\t<unk>\n-3\t<s>\t0\n")
    file.write("-3\t</s>\n-3\tyes\t0\n-3\tno\t0\n\n\\2-grams:\n" + "".join(pairs))
    file.write("\n\\end\\\n")
model = kenlm.Model("words.arpa")
gap = model.score("yes", eos=False) - model.score("no", eos=False)
print(f"by kenlm 'yes' is 10^{gap:.3f} times as likely as 'no', log e 8 is {math.log(8):.3f}")
assert math.isclose(gap, math.log10(8), abs_tol=1e-5)

words = Dictionary([*TEXT, "<unk>"])
lm = KenLM("words.arpa", words)
trie = Trie(4, SILENCE)
start = lm.start(False)
for word in TEXT:
    index = words.get_index(word)
    _, score = lm.score(start, index)
    trie.insert([SOUND[word][0], SILENCE], index, score)
trie.smear(SmearingMode.MAX)
probs = np.full((2, 4), 1e-9)
for token, prob in SOUND.values():
    probs[0, token] = prob
probs[1, SILENCE] = 1
log_probs = np.log(probs).astype(np.float32)
for weight, expected in (1.0, "no"), (math.log(10), "yes"):
    options = LexiconDecoderOptions(
        beam_size=10,
        beam_size_token=4,
        beam_threshold=100.0,
        lm_weight=weight,
        word_score=0.0,
        unk_score=-math.inf,
        sil_score=0.0,
        log_add=True,
        criterion_type=CriterionType.CTC,
    )
    unknown = words.get_index("<unk>")
    decoder = LexiconDecoder(options, trie, lm, SILENCE, BLANK, unknown, [], False)
    best = decoder.decode(log_probs.ctypes.data, *log_probs.shape)[0]
    found = next(words.get_entry(word) for word in best.words if word >= 0)
    print(f"weight {weight:.3f}: {found!r}, score {best.score:.3f};", end=" ")
    product = math.log(TEXT[found] * SOUND[found][1])
    print(f"the product's logarithm is {product:.3f}")
    assert found == expected
    assert math.isclose(best.score, product, abs_tol=1e-3) == (weight != 1)
PYTHON
