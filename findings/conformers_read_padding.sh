#!/usr/bin/env bash
# Conformers are given the lengths of the utterances in a batch, or a mask. One expects an
# utterance to be encoded as it is alone. In torchaudio 2.11.0, SpeechBrain 1.1.2 and
# Wav2Vec2-Conformer of transformers 5.24.0, attention leaves padding out, but the
# depthwise convolutions read it, and after the first block it is no longer zeros: frames
# of small random models change by up to 0.15, 0.6 and 2.4 of the mean magnitude, the last
# ones most. Parakeet and Wav2Vec2-BERT of the same transformers mask before they convolve.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    speechbrain==1.1.2 torch==2.11.0 torchaudio==2.11.0 transformers==5.24.0
cd "$folder"
venv/bin/python - <<'PYTHON'
from importlib.metadata import version

import torch
import torchaudio
from speechbrain.lobes.models.transformer.Conformer import ConformerEncoder
from speechbrain.nnet.attention import RelPosEncXL
from transformers import (
    ParakeetEncoder,
    ParakeetEncoderConfig,
    Wav2Vec2BertConfig,
    Wav2Vec2BertModel,
    Wav2Vec2ConformerConfig,
    Wav2Vec2ConformerModel,
)

print({name: version(name) for name in ("speechbrain", "torchaudio", "transformers")})
LENGTH, PADDED, WIDTH = 240, 480, 32
SIZES = dict(
    hidden_size=WIDTH, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4
)


def of_torchaudio():
    model = torchaudio.models.Conformer(WIDTH, 4, 64, 2, depthwise_conv_kernel_size=15)
    return model.eval(), WIDTH, lambda model, x, mask: model(x, mask.sum(dim=1))[0]


def of_speechbrain():
    model, positions = ConformerEncoder(2, WIDTH, 64, 4, kernel_size=15), RelPosEncXL(WIDTH)
    return model.eval(), WIDTH, lambda model, x, mask: model(
        x, src_key_padding_mask=~mask, pos_embs=positions(x)
    )[0]


def of_transformers(kind, config, width):
    def encode(model, x, mask):
        return model(x, attention_mask=mask.long()).last_hidden_state

    return kind(config).eval(), width, encode


def waveform_model():
    config = Wav2Vec2ConformerConfig(
        **SIZES, conv_dim=(WIDTH,), conv_kernel=(10,), conv_stride=(5,),
        num_feat_extract_layers=1, feat_extract_norm="layer",
        position_embeddings_type="relative",
    )
    model, _, encode = of_transformers(Wav2Vec2ConformerModel, config, None)
    return model, None, encode


def relative_change(model, width, encode):
    """Largest change of an utterance's frames beside a longer one, by their mean magnitude."""
    torch.manual_seed(1)
    shape = (2, PADDED) if width is None else (2, PADDED, width)
    x, mask = torch.randn(shape), torch.ones(2, PADDED, dtype=torch.bool)
    mask[0, LENGTH:] = False
    x[0, LENGTH:] = 0
    with torch.no_grad():
        alone = encode(model, x[:1, :LENGTH], mask[:1, :LENGTH])
        beside = encode(model, x, mask)[:1, : alone.shape[1]]
    change = (alone - beside).abs().amax(dim=-1)[0] / alone.abs().mean()
    return change.max().item(), change[len(change) // 2].item()


torch.manual_seed(0)
mels = ParakeetEncoderConfig().num_mel_bins
bert = Wav2Vec2BertConfig(**SIZES)
models = {
    "torchaudio": (of_torchaudio(), True),
    "SpeechBrain": (of_speechbrain(), True),
    "Wav2Vec2-Conformer": (waveform_model(), True),
    "Parakeet": (of_transformers(ParakeetEncoder, ParakeetEncoderConfig(**SIZES), mels), False),
    "Wav2Vec2-BERT": (
        of_transformers(Wav2Vec2BertModel, bert, bert.feature_projection_input_dim), False
    ),
}
for name, (made, reads_padding) in models.items():
    most, middle = relative_change(*made)
    print(f"{name:20} frames change by up to {most:8.2%}, in the middle by {middle:8.2%}")
    assert most > 0.1 if reads_padding else most < 1e-4
PYTHON
