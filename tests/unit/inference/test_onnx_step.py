"""The step that is exported does what a stream does, of whatever parts."""

from functools import partial

import pytest
import torch

from lact_modules.encoders import CTCModel, Encoder
from lact_modules.frontends import MelFrontend, SeparableConvolution
from lact_modules.inference.onnx.stream_graph import StreamStep
from lact_modules.inference.stream.chunks import chunk_encoder
from lact_modules.inference.stream.model import StreamingModel
from lact_modules.layers import (
    AttentionMixer,
    ConvolutionModule,
    FeedForward,
    LaCTMixer,
    SummaryMixer,
)
from lact_modules.ops import UpdateRule

DIRECTIONS = UpdateRule(update="down", accumulate="directions", decay=0.02, gain=0.5)
# features behind a chunk, which its last frame sees
AHEAD = {"audio_encoder_layers": 3}
PIECES = {
    "frame_rate": 12.5,
    "audio_encoder_layers": 4,
    "convolution": SeparableConvolution,
}


def make_stream(mixer, left, **frontend):
    torch.manual_seed(0)
    ffn = partial(FeedForward, 8, 16)
    conv = partial(ConvolutionModule, 8, 7)
    encoder = Encoder(8, 2, mixer, ffn, ffn_in=ffn, conv=conv)
    frontend = MelFrontend(8, channels=2, normalization="running", **frontend)
    model = CTCModel(frontend, encoder, num_tokens=5).eval()
    torch.nn.init.normal_(model.output.weight)
    return StreamingModel(model, chunk_encoder(model, 0.32, left))


@pytest.mark.parametrize("num_samples", [1, 5120, 5200, 30_001])
@pytest.mark.parametrize(
    ("mixer", "left", "frontend"),
    [
        (partial(AttentionMixer, 8, 2), 0.64, AHEAD),
        (partial(SummaryMixer, 8), 0.64, PIECES),
        (partial(LaCTMixer, 8, 2, 2, rule=DIRECTIONS, learn_rule=True), 0.64, {}),
        (
            partial(LaCTMixer, 8, 2, 2, rule=DIRECTIONS, rotate_fast=True),
            0.5,
            {"frame_rate": 50},
        ),
        (
            partial(LaCTMixer, 8, 2, 2, rule=UpdateRule(update="down")),
            0.0,
            {"statistics": "speech", "frame_rate": 100},
        ),
    ],
    ids=["conformer", "summary", "directions", "rotated", "no context"],
)
@torch.inference_mode()
def test_steps_give_what_a_stream_gives(mixer, left, frontend, num_samples):
    streaming = make_stream(mixer, left, **frontend)
    waveform = 0.1 * torch.randn(1, num_samples)
    expected, state = streaming.accept(waveform, streaming.start(1))
    expected = torch.cat([expected, streaming.finish(state)], dim=1)
    step = StreamStep(streaming)
    layout, position, carried = step.layout, torch.tensor(0), step.start()
    shapes = [each.shape for each in carried]
    outputs = []
    padded = torch.nn.functional.pad(
        waveform, (layout.look_back, layout.window), value=torch.nan
    )
    padded[:, : layout.look_back] = 0
    for first in range(0, num_samples, layout.chunk):
        lengths = torch.tensor([num_samples - first])
        window = padded[:, first : first + layout.window]
        scores, num_frames, position, *carried = step(
            window, lengths, position, *carried
        )
        outputs.append(scores[:, : int(num_frames)])
        assert [each.shape for each in carried] == shapes
    torch.testing.assert_close(
        torch.cat(outputs, dim=1), expected, atol=1e-4, rtol=1e-4
    )
