#!/usr/bin/env bash
# SpectrogramDrop(replace="random_selection") is "a random selection among the approaches"
# of filling what is masked: zeros, the mean, noise, other utterances, other frames. One
# expects a draw for each batch. SpeechBrain 1.1.2 draws with the first batch alone, and
# keeps that approach for the rest of the training.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    speechbrain==1.1.2 torch==2.11.0 torchaudio==2.11.0
cd "$folder"
venv/bin/python - <<'PYTHON'
import random
from collections import Counter
from importlib.metadata import version

import torch
from speechbrain.augment.freq_domain import SpectrogramDrop

print("speechbrain", version("speechbrain"))
random.seed(0)
torch.manual_seed(0)


def name_approach(drop):
    """Tell by what the masked frames hold; frame t of utterance u holds 1000 u + t + 1."""
    features = (1000 * torch.arange(4)[:, None] + torch.arange(1, 101)).float()
    masked = drop(features[:, :, None].expand(-1, -1, 8).clone())[:, :, 0]
    places = masked != features
    filled = masked[places]
    if (filled == 0).all():
        return "zeros"
    if (filled == features.mean()).all():
        return "mean"
    if (filled != filled.round()).any():
        return "rand"
    is_of_other = filled.long() // 1000 != features[places].long() // 1000
    return "cutcat" if is_of_other.all() else "swap"


first = Counter()
for training in range(10):
    drop = SpectrogramDrop(replace="random_selection")
    found = Counter(name_approach(drop) for batch in range(100))
    print(f"training {training}: batches by approach {dict(found)}")
    assert len(found) == 1
    first.update(found.keys())
assert len(first) > 2
PYTHON
