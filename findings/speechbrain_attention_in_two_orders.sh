#!/usr/bin/env bash
# Attention of some queries is expected to be the same whichever other queries there are:
# the last frame of a stream alone, or with all frames before it. The attention of
# SpeechBrain 1.1.2's Conformer (relative positions or rotary ones) has one matrix of
# weights, and reads it in one order where query, key and value are equal, head by head,
# and in another where they are not. So a query alone meets other weights than it was
# trained with, and a value that differs in its last bit changes all of the output.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    speechbrain==1.1.2 torch==2.11.0 torchaudio==2.11.0
cd "$folder"
venv/bin/python - <<'PYTHON'
from importlib.metadata import version

import torch
from speechbrain.nnet.attention import (
    MultiheadAttention,
    RelPosEncXL,
    RelPosMHAXL,
    RoPEMHA,
)

print("speechbrain", version("speechbrain"))
torch.manual_seed(0)
frames = torch.randn(1, 7, 32)
nearly = frames.clone()
nearly[0, 0, 0] = torch.nextafter(frames[0, 0, 0], torch.tensor(9.0))
positions = RelPosEncXL(32)(frames)
for attention, options in (
    (MultiheadAttention(d_model=32, nhead=4), {}),
    (RoPEMHA(embed_dim=32, num_heads=4), {}),
    (RelPosMHAXL(embed_dim=32, num_heads=4), {"pos_embs": positions}),
):
    attention.eval()
    whole = attention(frames, frames, frames, **options)[0]
    other = (attention(frames, frames, nearly, **options)[0] - whole).abs().max()
    name = type(attention).__name__
    print(f"{name}: another last bit of a value changes it by {other:.2g}", end="")
    is_plain = name == "MultiheadAttention"
    assert (other < 1e-5) == is_plain and (is_plain or other > 0.1)
    if name != "RelPosMHAXL":
        # rotary positions count from the first frame, so this query stays in its place
        first = attention(frames[:, :1], frames, frames, **options)[0]
        alone = (first - whole[:, :1]).abs().max()
        print(f", the first query alone by {alone:.2g}", end="")
        assert (alone < 1e-5) == is_plain and (is_plain or alone > 0.1)
    print(f", of {whole.abs().max():.2g}")
PYTHON
