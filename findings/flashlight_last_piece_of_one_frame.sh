#!/usr/bin/env bash
# CTC lets a token last for any number of frames. Words spelled in pieces need no delimiter,
# so one gives the pieces alone to a lexicon decoder, and expects the word that the model
# says. flashlight-text 0.0.7 leaves a word with the first frame of its last piece, and only
# blanks or silence may follow, not that piece again. A word whose last piece lasts for two
# frames loses all the probability of the second, so that another word comes out.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    flashlight-text==0.0.7 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import math
from importlib.metadata import version
from itertools import groupby, product

import numpy as np
from flashlight.lib.text.decoder import (
    CriterionType,
    LexiconDecoder,
    LexiconDecoderOptions,
    SmearingMode,
    Trie,
    ZeroLM,
)

print("flashlight-text", version("flashlight-text"))
NAMES = ["blank", "silence", "C", "RAV", "AT"]
PIECES = BLANK, SILENCE, C, RAV, AT = range(5)
LEXICON = {"CAT": (C, AT), "CRAVAT": (C, RAV, AT)}
trie = Trie(len(PIECES), SILENCE)
for index, spelling in enumerate(LEXICON.values()):
    trie.insert(list(spelling), index, 0.0)
trie.smear(SmearingMode.MAX)
options = LexiconDecoderOptions(
    beam_size=100,
    beam_size_token=len(PIECES),
    beam_threshold=1000.0,
    lm_weight=0.0,
    word_score=0.0,
    unk_score=-math.inf,
    sil_score=0.0,
    log_add=True,
    criterion_type=CriterionType.CTC,
)
decoder = LexiconDecoder(options, trie, ZeroLM(), SILENCE, BLANK, -1, [], False)


def sum_paths(probs):
    """Sum over all paths of CTC, for each word."""
    sums = dict.fromkeys(LEXICON, 0.0)
    for path in product(PIECES, repeat=len(probs)):
        pieces = tuple(piece for piece, _ in groupby(path) if piece != BLANK)
        for word, spelling in LEXICON.items():
            if pieces == spelling:
                sums[word] += probs[range(len(probs)), path].prod().item()
    return sums


for last, expected in (BLANK, "CAT"), (AT, "CRAVAT"):
    probs = np.full((3, len(PIECES)), 1e-6)
    # the second frame is AT with 0.7; RAV has the rest, and needs AT in the third
    probs[0, C], probs[1, AT], probs[1, RAV] = 1, 0.7, 0.3
    probs[2, last] = 0.8
    probs[2, AT] = max(probs[2, AT], 0.2)
    probs /= probs.sum(axis=1, keepdims=True)
    sums = sum_paths(probs)
    log_probs = np.log(probs).astype(np.float32)
    best = decoder.decode(log_probs.ctypes.data, *log_probs.shape)[0]
    found = next(list(LEXICON)[word] for word in best.words if word >= 0)
    print("best piece of each frame:", [NAMES[piece] for piece in probs.argmax(axis=1)])
    print("  sums of all paths:", {word: round(total, 3) for word, total in sums.items()})
    print(f"  flashlight-text: {found}, {math.exp(best.score):.3f}")
    assert max(sums, key=sums.get) == "CAT" and found == expected
PYTHON
