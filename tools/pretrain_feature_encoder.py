"""Teach a small wav2vec 2.0 feature encoder what log-mel filter banks know.

python tools/pretrain_feature_encoder.py digits/LibriSpeech/train runs/feature_encoder

For a small hybrid where no published model is at hand. No transcript is used. The
folder written is a model in transformers' format, for ``wav2vec2_model_name``.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.progress import track
from torch import Tensor, nn

from lact_modules.cli.option.transcribed import load_utterance, read_transcribed
from lact_modules.errors import InputError
from lact_modules.frontends import MelFrontend
from lact_modules.frontends.pretrained import save_pretrained
from lact_modules.frontends.wav2vec2 import Wav2Vec2Frontend

# two frames of the filter banks for one of the convolutions
_FRAME_RATE, _BANDS = 50, 2 * 80


def pretrain(
    waveforms: Sequence[Tensor],
    frontend: Wav2Vec2Frontend,
    steps: int,
    learning_rate: float = 3e-3,
    batch_size: int = 16,
    crop: int = 32000,
) -> float:
    """Train the convolutions to predict normalized log-mel features by a linear layer.

    Arguments
    ---------
    waveforms : Sequence[Tensor]
        (N,) float32 at 16 kHz each.
    frontend : Wav2Vec2Frontend
        Of 50 frames a second; trained in place, but for its projection.
    steps : int
        Of training.
    learning_rate : float
        Its peak, after a tenth of the steps.
    batch_size : int
        Crops a step.
    crop : int
        Samples of a crop, a multiple of 320.

    Returns
    -------
    float
        Mean squared error over the last tenth of the steps; features have variance 1.
    """
    mel, head = MelFrontend(d_model=1), nn.Linear(frontend.channels, _BANDS)
    trained = [*frontend.cnn.parameters(), *frontend.norm.parameters()]
    trained += head.parameters()
    optimizer = torch.optim.AdamW(trained, lr=learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, learning_rate, total_steps=steps, pct_start=0.1
    )
    lengths, errors = torch.full((batch_size,), crop), []
    for _ in track(range(steps), "feature encoder"):
        batch = torch.stack([_crop(waveforms, crop) for _ in lengths])
        with torch.no_grad():
            wanted, _ = mel.features(batch, lengths)
        features, frames = frontend.features(batch, lengths)
        wanted = wanted.reshape(batch_size, int(frames[0]), _BANDS)
        error = (head(features) - wanted).square().mean()
        optimizer.zero_grad()
        error.backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()
        errors.append(error.item())
    last = errors[-max(1, steps // 10) :]
    return sum(last) / len(last)


def _crop(waveforms: Sequence[Tensor], size: int) -> Tensor:
    """Draw a waveform, and a part of it; zeros follow if it is short."""
    waveform = waveforms[int(torch.randint(len(waveforms), ()))]
    first = int(torch.randint(max(1, len(waveform) - size + 1), ()))
    piece = waveform[first : first + size]
    return nn.functional.pad(piece, (0, size - len(piece)))


def main() -> None:
    """Read audio, train, write the model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="split or manifest, kept in memory")
    parser.add_argument("output", type=Path, help="folder of the model")
    parser.add_argument("--channels", type=int, default=96)
    parser.add_argument("--d-model", type=int, default=128)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    try:
        utterances, _ = read_transcribed(arguments.data)
        waveforms = [load_utterance(each) for each in track(utterances, "audio")]
    except InputError as error:
        parser.error(str(error))
    frontend = Wav2Vec2Frontend(
        arguments.d_model, target_frame_rate=_FRAME_RATE, channels=arguments.channels
    )
    left = pretrain(waveforms, frontend, arguments.steps)
    save_pretrained(frontend, arguments.output)
    print(f"{arguments.output}: explains {1 - left:.0%} of the features' variance")


if __name__ == "__main__":
    main()
