"""The mel front end: rates, lengths, and that padding has no influence."""

import itertools
import math

import pytest
import torch

from lact_modules.frontends import MelFrontend, SeparableConvolution
from lact_modules.frontends.normalization import (
    STATISTICS,
    RunningNormalization,
    UtteranceNormalization,
)
from lact_modules.frontends.spectrum import MelProducts

NORMALIZATIONS = ["utterance", "running"]


@pytest.mark.parametrize(
    ("frame_rate", "audio_encoder_layers"),
    [*itertools.product([25, 50, 100], [2, 3, 4]), (12.5, 3), (12.5, 4)],
)
@pytest.mark.parametrize("num_samples", [1, 159, 160, 161, 16000, 16001])
def test_frames_are_the_rate_times_the_duration(
    frame_rate, audio_encoder_layers, num_samples
):
    frontend = MelFrontend(8, audio_encoder_layers, frame_rate, channels=2)
    x, lengths = frontend(torch.randn(1, num_samples), torch.tensor([num_samples]))
    expected = math.ceil(num_samples / 16000 * frame_rate - 1e-9)
    assert abs(lengths.item() - expected) <= 1
    assert x.shape == (1, lengths.item(), 8)
    assert x.isfinite().all()


@pytest.mark.parametrize("statistics", STATISTICS)
@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize(
    "options",
    [
        *({"frame_rate": rate} for rate in (12.5, 25, 50, 100)),
        {"frame_rate": 12.5, "convolution": SeparableConvolution},
    ],
    ids=str,
)
def test_alone_equals_in_a_batch_of_nan(normalization, options, statistics):
    torch.manual_seed(0)
    options = {"normalization": normalization, "statistics": statistics, **options}
    frontend = MelFrontend(8, 3, **options).eval()
    lengths = torch.tensor([8000, 5003, 4961])
    waveform = torch.randn(3, 8000)
    for i, length in enumerate(lengths):
        waveform[i, length:] = torch.nan
    together, frames = frontend(waveform, lengths)
    for i, length in enumerate(lengths):
        alone, _ = frontend(waveform[i : i + 1, :length], lengths[i : i + 1])
        torch.testing.assert_close(
            together[i, : frames[i]], alone[0], atol=1e-5, rtol=1e-4
        )


def test_separable_convolutions_are_cheap_and_as_large_as_in_fastconformer():
    torch.manual_seed(0)
    frontend = MelFrontend(512, 3, 12.5, 256, convolution=SeparableConvolution)
    # 3 x 3 from one channel, then twice 3 x 3 of each and all to all; 10 bands are left
    expected = 256 * 10 + 2 * (256 * 10 + 256 * 257) + 512 * (2560 + 1) + 2 * 512
    assert sum(p.numel() for p in frontend.parameters()) == expected


def test_large_values_are_as_finite_in_inference_as_in_training():
    torch.manual_seed(0)
    frontend = MelFrontend(8, 3, 12.5, convolution=SeparableConvolution).eval()
    with torch.no_grad():
        for convolution in frontend.convolutions.modules():
            if isinstance(convolution, torch.nn.Conv2d):
                convolution.weight *= 30
    waveform, lengths = torch.randn(1, 16000), torch.tensor([16000])
    expected, _ = frontend(waveform, lengths)
    with torch.inference_mode():
        found, _ = frontend(waveform, lengths)
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)


def test_the_frames_of_other_rates_are_those_before():
    # parameters are drawn in the same order, by the same names
    torch.manual_seed(0)
    frontend = MelFrontend(8, channels=4)
    torch.manual_seed(0)
    first, second = torch.nn.Conv2d(1, 4, 3, 2, 1), torch.nn.Conv2d(4, 4, 3, 2, 1)
    project = torch.nn.Linear(4 * 20, 8)
    state = frontend.state_dict()
    assert torch.equal(state["convolutions.0.weight"], first.weight)
    assert torch.equal(state["convolutions.1.weight"], second.weight)
    assert torch.equal(state["project.weight"], project.weight)


def test_loudness_does_not_matter():
    torch.manual_seed(0)
    frontend = MelFrontend(8)
    waveform, lengths = torch.randn(1, 8000), torch.tensor([8000])
    quiet, _ = frontend.features(waveform / 4, lengths)
    loud, _ = frontend.features(waveform, lengths)
    torch.testing.assert_close(quiet, loud, atol=1e-3, rtol=1e-3)


def test_silence_is_finite():
    features, _ = MelFrontend(8).features(torch.zeros(1, 8000), torch.tensor([8000]))
    assert features.abs().max() < 0.01


def test_running_statistics_never_look_ahead():
    normalization = RunningNormalization(4).eval()
    x = torch.randn(1, 30, 4, requires_grad=True)
    output = normalization(x, torch.tensor([30]))
    (gradient,) = torch.autograd.grad(output[0, 10].sum(), x)
    assert gradient[0, :11].abs().max() > 0
    assert gradient[0, 11:].abs().max() == 0


def test_running_prior_learns_from_valid_frames_alone():
    torch.manual_seed(0)
    normalization = RunningNormalization(4)
    x = torch.randn(8, 200, 4) * 2 + 5
    x[:, 100:] = torch.nan
    for _ in range(5):
        normalization(x, torch.full((8,), 100))
    torch.testing.assert_close(
        normalization.prior_mean, torch.full((4,), 5.0), atol=0.3, rtol=0
    )
    normalized = normalization.eval()(x, torch.full((8,), 100))[:, :100]
    assert normalized.mean().abs() < 0.1
    assert abs(normalized.std() - 1) < 0.1


@pytest.mark.parametrize(
    "options",
    [
        {"audio_encoder_layers": 5},
        {"frame_rate": 30},
        {"frame_rate": 12.5},
        {"normalization": "batch"},
        {"statistics": "loud"},
    ],
)
def test_unknown_options_are_named(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        MelFrontend(8, **options)


@pytest.mark.parametrize("size", [1, 7, 60])
def test_running_statistics_forget_whatever_the_pieces(size):
    normalization = RunningNormalization(2, max_frames=20).eval()
    x = torch.randn(1, 60, 2)
    # a loop that forgets a twentieth a frame, once it knows twenty
    total = square = torch.zeros(2)
    expected = []
    for t, frame in enumerate(x[0]):
        left = 1 if t < 20 else 1 - 1 / 20
        total, square = left * total + frame, left * square + frame**2
        count = min(t + 1, 20) + 100
        mean = total / count
        expected.append((frame - mean) / ((square + 100) / count - mean**2).sqrt())
    state, outputs = normalization.start(1), []
    for piece in x.split(size, dim=1):
        output, state = normalization.resume(piece, state)
        outputs.append(output)
    torch.testing.assert_close(torch.cat(outputs, dim=1)[0], torch.stack(expected))
    torch.testing.assert_close(state.num_frames.item(), 20.0)


def test_running_statistics_notice_another_voice_after_hours():
    normalization = RunningNormalization(1, max_frames=200).eval()
    _, state = normalization.resume(torch.randn(1, 100_000, 1), normalization.start(1))
    later, _ = normalization.resume(5 + torch.randn(1, 2000, 1), state)
    assert later[:, 1000:].mean().abs() < 2.0


def test_products_are_the_spectrogram():
    torch.manual_seed(0)
    mel = MelFrontend(8).mel
    quiet = 1e-3 * torch.randn(2, 4000)
    samples = torch.cat([quiet, 100 * quiet, torch.zeros(2, 1000)], dim=1)
    expected, products = (each(samples) for each in (mel, MelProducts(mel)))
    assert products.shape == expected.shape
    logs = [(each + 1e-6).log() for each in (products, expected)]
    torch.testing.assert_close(*logs, atol=1e-4, rtol=0.0)


@pytest.mark.parametrize("num_frames", [1, 4, 1500])
@pytest.mark.parametrize("name", NORMALIZATIONS)
def test_exported_statistics_are_the_same(monkeypatch, num_frames, name):
    torch.manual_seed(0)
    # pauses that are longer than what a running minimum of a graph looks back
    loudness = torch.rand(2, num_frames // 700 + 1).repeat_interleave(700, 1)
    features = 5 * loudness[:, :num_frames, None] + torch.rand(2, num_frames, 8)
    normalization = {
        "utterance": UtteranceNormalization("speech"),
        "running": RunningNormalization(8, statistics="speech", max_frames=500),
    }[name].eval()
    lengths = torch.tensor([num_frames, (num_frames + 1) // 2])
    expected = normalization(features, lengths)
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
    torch.testing.assert_close(normalization(features, lengths), expected)


@pytest.mark.parametrize("skipped", [None, torch.tensor([16, 0, 8])])
@pytest.mark.parametrize(
    ("layers", "rate", "channels"),
    [(2, 100, 3), (2, 50, 16), (3, 25, 17), (3, 12.5, 40), (4, 12.5, 5)],
)
def test_fused_separable_convolutions_give_the_same(layers, rate, channels, skipped):
    torch.manual_seed(0)
    options = {"channels": channels, "convolution": SeparableConvolution}
    frontend = MelFrontend(8, layers, rate, num_mels=20, **options).eval()
    features = torch.randn(3, 61, 20)
    # of any whole numbers; one that is too large counts what is there
    lengths = torch.tensor([99, 38, 9], dtype=torch.int32)
    features[1, 38:] = torch.nan
    expected, frames = frontend.subsample(features, lengths, skipped)
    # C++ is for inference alone
    with torch.inference_mode():
        given, same_frames = frontend.subsample(features, lengths, skipped)
    assert torch.equal(frames, same_frames)
    for row, other, count in zip(given, expected, frames, strict=True):
        torch.testing.assert_close(row[:count], other[:count], atol=1e-5, rtol=1e-4)
