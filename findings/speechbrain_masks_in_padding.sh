#!/usr/bin/env bash
# An Augmenter is given the lengths of the utterances, and SpectrogramDrop bounds for the
# number and the length of its masks. One expects masks within the utterances, and both
# upper bounds to be reached. SpeechBrain 1.1.2 draws the places over the padded batch, so
# that most masks of a short utterance lie behind it: how much of it is hidden depends on
# what it is batched with. There are up to drop_count_high masks, but each has less than
# drop_length_high frames.
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
from speechbrain.augment.augmenter import Augmenter
from speechbrain.augment.freq_domain import SpectrogramDrop

print("speechbrain", version("speechbrain"))
torch.manual_seed(0)
FRAMES, NUM_BATCHES = 200, 1000


def augment(padded, **options):
    """Give which of the frames of an utterance are masked, for each of some batches."""
    augmenter = Augmenter(augmentations=[SpectrogramDrop(**options)])
    lengths = torch.tensor([1.0, FRAMES / padded])
    masked = []
    for _ in range(NUM_BATCHES):
        output, _ = augmenter(torch.ones(2, padded, 8), lengths)
        masked.append(output[1, :FRAMES, 0] == 0)
    return torch.stack(masked)


for padded, least, most in (FRAMES, 1, 1), (1000, 0.3, 0.4):
    masked = augment(padded, drop_count_low=2, drop_count_high=2)
    share = masked.any(dim=1).float().mean().item()
    print(f"two masks, {FRAMES} of {padded} frames: some are masked in {share:.0%} of batches")
    assert least <= share <= most
for lengths, counts, expected in ((5, 7), (1, 1), 6), ((1, 2), (1, 3), 3):
    low, high = zip(lengths, counts)
    options = {"drop_length_low": low[0], "drop_length_high": high[0]}
    options |= {"drop_count_low": low[1], "drop_count_high": high[1]}
    most = augment(FRAMES, **options).sum(dim=1).max().item()
    print(f"{options}: at most {most} frames are masked")
    assert most == expected
PYTHON
