#!/usr/bin/env bash
# "If num_buckets == 1, all examples can be batched together" says DynamicBatchSampler of
# SpeechBrain, and one expects batches that are full up to max_batch_length. The number of
# utterances in a batch is max_batch_length over the upper bound of the bucket, and the bounds
# are shares of max_batch_length itself, whatever the lengths of the data: with one bucket, each
# batch of SpeechBrain 1.1.2 has one utterance, with five the batches are half empty.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    speechbrain==1.1.2 torch==2.11.0 torchaudio==2.11.0
cd "$folder"
venv/bin/python - <<'PYTHON' 2>errors.txt || { cat errors.txt; exit 1; }
import random
from importlib.metadata import version

from speechbrain.dataio.sampler import DynamicBatchSampler

print("speechbrain", version("speechbrain"))
random.seed(0)
seconds = [random.uniform(1, 20) for _ in range(5000)]
LIMIT = 100
print(f"{len(seconds)} utterances of 1 to 20 s, batches of at most {LIMIT} s")
found = {}
for buckets in 1, 2, 5, 20, 50:
    sampler = DynamicBatchSampler(
        seconds, LIMIT, num_buckets=buckets, lengths_list=seconds
    )
    batches = list(sampler)
    full = sum(seconds) / len(batches) / LIMIT
    largest = max(len(batch) for batch in batches)
    print(
        f"{buckets} bucket(s): {len(batches)} batches, {full:.0%} full on average,",
        f"with at most {largest} utterance(s)",
    )
    found[buckets] = len(batches), largest, full
assert found[1][:2] == (5000, 1)
assert found[2][:2] == (2500, 2)
assert 0.5 < found[5][2] < 0.6 and found[50][2] > 0.8
PYTHON
