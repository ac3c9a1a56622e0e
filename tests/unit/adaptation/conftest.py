"""A small recognizer, and noises for it to recognize."""

from functools import partial

import pytest
import torch

from lact_modules.encoders import CTCModel, Encoder
from lact_modules.frontends import MelFrontend
from lact_modules.layers import FeedForward, LaCTMixer


@pytest.fixture
def make_model():
    def make(**options):
        torch.manual_seed(0)
        mixer, ffn = partial(LaCTMixer, 16, 2, 2), partial(FeedForward, 16, 32)
        encoder = Encoder(16, 2, mixer, ffn, ffn_in=ffn)
        model = CTCModel(MelFrontend(16, channels=4), encoder, 6, **options)
        # large, or an untrained model outputs the same in every frame
        torch.nn.init.normal_(model.output.weight, std=1.0)
        return model.eval().requires_grad_(False)

    return make


@pytest.fixture
def model(make_model):
    return make_model(enable_ttt=True)


@pytest.fixture
def batch():
    """Make three noises of changing loudness; NaN stands beyond their ends."""
    generator = torch.Generator().manual_seed(1)
    lengths = torch.tensor([16000, 9000, 12345])
    waveform = 0.3 * torch.randn(3, 16000, generator=generator)
    waveform *= torch.linspace(0, 40, 16000).sin().abs()
    for row, length in enumerate(lengths):
        waveform[row, length:] = torch.nan
    return waveform, lengths
