"""Samples piece by piece make the frames of the whole."""

from pathlib import Path

import pytest
import torch

from lact_modules.frontends import MelFrontend, SeparableConvolution
from lact_modules.frontends.streaming import StreamingFrontend

RECIPES = Path(__file__).parents[3] / "recipes"
SEPARABLE = {
    "frame_rate": 12.5,
    "audio_encoder_layers": 3,
    "convolution": SeparableConvolution,
}


def make(**options):
    torch.manual_seed(0)
    frontend = MelFrontend(8, channels=4, normalization="running", **options)
    # as if it had been trained
    frontend.normalize.prior_mean.fill_(-3.0)
    frontend.normalize.prior_square.fill_(12.0)
    return frontend.eval()


def feed(streaming, waveform, sizes):
    state, frames = streaming.start(len(waveform)), []
    for piece in waveform.split(sizes, dim=1):
        new, state = streaming.accept(piece, state)
        frames.append(new)
    frames.append(streaming.finish(state))
    return torch.cat(frames, dim=1)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"frame_rate": 50},
        {"frame_rate": 100, "audio_encoder_layers": 3},
        {"audio_encoder_layers": 4},
        {"statistics": "speech"},
        SEPARABLE,
        {**SEPARABLE, "audio_encoder_layers": 4},
    ],
    ids=str,
)
@pytest.mark.parametrize("num_samples", [1, 159, 160, 700, 4001, 8000])
@pytest.mark.parametrize("size", [97, 160, 2500, 8000])
def test_pieces_of_any_size_equal_the_whole(options, num_samples, size):
    frontend = make(**options)
    generator = torch.Generator().manual_seed(1)
    waveform = 0.1 * torch.randn(2, num_samples, generator=generator)
    expected, _ = frontend(waveform, torch.tensor([num_samples] * 2))
    frames = feed(StreamingFrontend(frontend), waveform, size)
    torch.testing.assert_close(frames, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("options", [{}, SEPARABLE], ids=str)
def test_single_samples_equal_the_whole(options):
    frontend = make(**options)
    waveform = 0.1 * torch.randn(1, 1500)
    expected, _ = frontend(waveform, torch.tensor([1500]))
    frames = feed(StreamingFrontend(frontend), waveform, 1)
    torch.testing.assert_close(frames, expected, atol=1e-5, rtol=1e-5)


def test_what_it_remembers_stays_small():
    streaming = StreamingFrontend(make())
    state, sizes = streaming.start(1), set()
    for count in range(60):
        _, state = streaming.accept(torch.randn(1, 640), state)
        if count > 5:
            sizes.add((state.samples.shape, state.features.shape))
    assert len(sizes) == 1


@pytest.mark.parametrize(
    ("options", "late"),
    [({}, 176), (SEPARABLE, 176), ({**SEPARABLE, "audio_encoder_layers": 4}, 1456)],
    ids=str,
)
def test_a_frame_waits_for_the_samples_that_it_sees(options, late):
    frontend = make(**options)
    streaming = StreamingFrontend(frontend)
    assert streaming.look_ahead == late
    count = round(10 * 16000 / frontend.frame_rate) + late
    waveform = 0.1 * torch.randn(1, count)
    frames, _ = streaming.accept(waveform, streaming.start(1))
    assert frames.shape[1] == 10
    frames, _ = streaming.accept(waveform[:, :-1], streaming.start(1))
    assert frames.shape[1] == 9


def test_utterance_normalization_is_refused():
    with pytest.raises(ValueError, match="running") as refused:
        StreamingFrontend(MelFrontend(8))
    # what to train instead is there
    _, named = str(refused.value).split("such as ")
    assert [*RECIPES.rglob(named)]
