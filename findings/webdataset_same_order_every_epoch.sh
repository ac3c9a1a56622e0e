#!/usr/bin/env bash
# WebDataset(urls, shardshuffle=N) shuffles the shards. One expects another order in every
# epoch, as of a DataLoader that shuffles, and as of webdataset's own shuffle of samples.
# webdataset 1.0.2 draws one seed for the shards when the dataset is made, and starts from
# it in each epoch: their order never changes. That of detshuffle does.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    webdataset==1.0.2 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
from importlib.metadata import version

from webdataset import TarWriter, WebDataset

print("webdataset", version("webdataset"))
urls = [f"{shard}.tar" for shard in range(8)]
for shard, url in enumerate(urls):
    with TarWriter(url) as tar:
        for sample in "ab":
            tar.write({"__key__": f"{shard}{sample}", "txt": sample})


def read_epochs(dataset):
    epochs = [[sample["__key__"] for sample in dataset] for _ in range(4)]
    assert all(len(set(keys)) == 16 for keys in epochs)
    return epochs


def are_all_alike(epochs):
    return all(epoch == epochs[0] for epoch in epochs)


shards = read_epochs(WebDataset(urls, shardshuffle=100))
made_again = read_epochs(WebDataset(urls, shardshuffle=100))
samples = read_epochs(WebDataset(urls, shardshuffle=False).shuffle(100))
by_epoch = read_epochs(WebDataset(urls, shardshuffle=100, detshuffle=True))
print("shards of four epochs:", [[int(key[0]) for key in keys[::2]] for keys in shards])
print("all epochs alike: shardshuffle", are_all_alike(shards), end=", ")
print("shuffle", are_all_alike(samples), "detshuffle", are_all_alike(by_epoch))
assert are_all_alike(shards) and shards[0] != made_again[0]
assert not are_all_alike(samples) and not are_all_alike(by_epoch)
PYTHON
