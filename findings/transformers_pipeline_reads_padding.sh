#!/usr/bin/env bash
# The pipeline for speech recognition pads a batch and gives the model an attention mask, so
# one expects the text of a file to be the same alone and in a batch. With CTC models of
# transformers 5.24 the decoder takes all frames of the batch: behind the text of a shorter
# file stands what the model makes of its padding. The longest file of the batch is right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    torch==2.11.0 transformers==5.24.0 numpy==2.2.6
cd "$folder"
venv/bin/python - <<'PYTHON' 2>/dev/null
import json

import numpy as np
import torch
import transformers
from transformers import (
    Wav2Vec2Config,
    Wav2Vec2CTCTokenizer,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForCTC,
    pipeline,
)

print("torch", torch.__version__, "transformers", transformers.__version__)
tokens = ["<pad>", "|", *"abcdefghijklmn"]
with open("vocab.json", "w") as stream:
    json.dump({token: index for index, token in enumerate(tokens)}, stream)
tokenizer = Wav2Vec2CTCTokenizer("vocab.json", pad_token="<pad>", unk_token="<pad>")
torch.manual_seed(0)
config = Wav2Vec2Config(
    **dict(vocab_size=16, hidden_size=32, num_hidden_layers=1, num_attention_heads=2),
    **dict(intermediate_size=32, conv_dim=(16,) * 7, feat_extract_norm="layer"),
    **dict(num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2),
    do_stable_layer_norm=True,
)
model = Wav2Vec2ForCTC(config).eval()
for parameter in model.lm_head.parameters():
    parameter.data.normal_()
recognize = pipeline(
    "automatic-speech-recognition",
    model=model,
    tokenizer=tokenizer,
    feature_extractor=Wav2Vec2FeatureExtractor(return_attention_mask=True),
)
noise = np.random.default_rng(0).standard_normal(40000).astype("float32")
files = [noise[:8000], noise[8000:]]
alone, together = (
    [result["text"] for result in recognize(files, batch_size=size)] for size in (1, 2)
)
for name, one, other in zip(("short", "long"), alone, together):
    print(f"{name}: {len(one)} characters alone, {len(other)} in a batch of two")
print(f"the short one ends in {alone[0][-6:]!r} alone, in {together[0][-9:]!r} in the batch")
assert alone[1] == together[1]
assert together[0] != alone[0] and together[0].startswith(alone[0])
PYTHON
