"""The contract that every front end keeps; a new front end is one more entry."""

from functools import partial

import pytest
import torch

from lact_modules.frontends import (
    MelFrontend,
    SeparableConvolution,
    Wav2Vec2Frontend,
)
from lact_modules.frontends.streaming import StreamingFrontend

D_MODEL = 8

mel = partial(MelFrontend, D_MODEL, channels=4)
eightfold = partial(
    mel,
    audio_encoder_layers=3,
    frame_rate=12.5,
    convolution=SeparableConvolution,
)

FRONTENDS = {
    "mel": mel,
    "mel_running": partial(mel, normalization="running"),
    "mel_full_rate": partial(mel, frame_rate=100),
    "mel_8x": eightfold,
    "mel_8x_running": partial(eightfold, normalization="running", statistics="speech"),
    "wav2vec2": partial(Wav2Vec2Frontend, D_MODEL, channels=4, norm="layer"),
    "wav2vec2_25": partial(Wav2Vec2Frontend, D_MODEL, channels=4, target_frame_rate=25),
}

pytestmark = pytest.mark.parametrize("name", FRONTENDS)


def make(name):
    torch.manual_seed(0)
    return FRONTENDS[name]().eval()


def make_batch():
    waveform = torch.randn(3, 16000, generator=torch.Generator().manual_seed(1))
    return waveform, torch.tensor([16000, 9001, 4960])


def test_frames_follow_from_the_rate(name):
    frontend = make(name)
    waveform, lengths = make_batch()
    x, frames = frontend(waveform, lengths)
    assert x.shape == (3, frames.max(), D_MODEL)
    for count, length in zip(frames.tolist(), lengths.tolist(), strict=True):
        assert abs(count - length / 16000 * frontend.frame_rate) < 2


def test_neither_neighbours_nor_padding_have_influence(name):
    frontend = make(name)
    waveform, lengths = make_batch()
    for row, length in zip(waveform, lengths, strict=True):
        row[length:] = torch.nan
    together, frames = frontend(waveform, lengths)
    for i, length in enumerate(lengths):
        alone, count = frontend(waveform[i : i + 1, :length], lengths[i : i + 1])
        assert count == frames[i]
        torch.testing.assert_close(
            together[i, : frames[i]], alone[0], atol=1e-4, rtol=1e-4
        )


def test_gradients_are_finite_and_reach_every_parameter(name):
    frontend = make(name).train()
    waveform, lengths = make_batch()
    waveform[1, 9001:] = torch.nan
    x, frames = frontend(waveform, lengths)
    sum(
        row[:count].square().sum() for row, count in zip(x, frames, strict=True)
    ).backward()
    for parameter in frontend.parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all()


def test_a_stream_makes_the_frames_of_the_whole_or_is_refused(name):
    frontend = make(name)
    waveform, _ = make_batch()
    if not name.endswith("running"):
        with pytest.raises((ValueError, AttributeError)):
            StreamingFrontend(frontend)
        return
    streaming = StreamingFrontend(frontend)
    state, outputs = streaming.start(3), []
    for piece in waveform.split(999, dim=1):
        frames, state = streaming.accept(piece, state)
        outputs.append(frames)
    whole, _ = frontend(waveform, torch.full((3,), 16000))
    stream = torch.cat([*outputs, streaming.finish(state)], dim=1)
    torch.testing.assert_close(stream, whole, atol=1e-5, rtol=1e-5)
