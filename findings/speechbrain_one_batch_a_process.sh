#!/usr/bin/env bash
# With several processes SpeechBrain wraps a batch sampler, to give each process its share
# of the batches. One expects lists of indices, however few batches there are. Where each
# process gets a single batch, as of a small validation set, SpeechBrain 1.1.2 gives the
# indices in it one by one, which a DataLoader cannot take as batches.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    speechbrain==1.1.2 torch==2.11.0 torchaudio==2.11.0
cd "$folder"
venv/bin/python - <<'PYTHON'
from importlib.metadata import version

from speechbrain.dataio.sampler import DistributedSamplerWrapper

print("speechbrain", version("speechbrain"))
for num_batches in 4, 2:
    batches = [[2 * index, 2 * index + 1] for index in range(num_batches)]
    shares = [
        list(DistributedSamplerWrapper(batches, num_replicas=2, rank=rank, shuffle=False))
        for rank in range(2)
    ]
    print(batches, "becomes", shares)
    if num_batches == 4:
        assert shares == [[[0, 1], [4, 5]], [[2, 3], [6, 7]]]
assert shares == [[0, 1], [2, 3]]
PYTHON
