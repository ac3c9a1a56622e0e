#!/usr/bin/env bash
# torchaudio's CTC decoder tells the frame of each token, and one expects to look it up
# among the frames of the emissions. flashlight-text 0.0.7 counts from a frame before the
# first to one behind the last, and torchaudio 2.11.0 gives these numbers as they are: each
# token has the number of the frame behind it, and the silence that ends a text without a
# lexicon one that is beyond the emissions.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    torchaudio==2.11.0 torch==2.11.0 flashlight-text==0.0.7 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
from importlib.metadata import version

import torch
from torchaudio.models.decoder import ctc_decoder

print("torchaudio", version("torchaudio"), "flashlight-text", version("flashlight-text"))
TOKENS = ["-", "|", "y", "e", "s"]
emissions = torch.full((6, 5), -20.0)
for frame, token in enumerate("-yes--"):
    emissions[frame, TOKENS.index(token)] = 0.0
decoder = ctc_decoder(lexicon=None, tokens=TOKENS, blank_token="-", sil_token="|")
[[best]] = decoder(emissions[None])
tokens = decoder.idxs_to_tokens(best.tokens)
frames = dict(zip(tokens[1:], best.timesteps[1:].tolist()))
print("loudest token of frames 0 to 5: - y e s - -; by torchaudio", frames)
assert frames == {"y": 2, "e": 3, "s": 4, "|": 7}
PYTHON
