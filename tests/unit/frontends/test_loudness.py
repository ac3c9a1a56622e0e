"""Pauses do not change how speech comes out of the front end."""

import pytest
import torch

from lact_modules.frontends import MelFrontend
from lact_modules.frontends.loudness import LoudnessState, track_loudness, weigh_frames
from lact_modules.frontends.streaming import StreamingFrontend

SAMPLE_RATE = 16000


@pytest.fixture(scope="module")
def speech():
    """Noise that comes and goes four times a second, as syllables do; 4 s."""
    generator = torch.Generator().manual_seed(0)
    time = torch.arange(4 * SAMPLE_RATE) / SAMPLE_RATE
    syllables = torch.sin(torch.pi * 4 * time).square() ** 3
    noise = torch.randn(len(time), generator=generator)
    return 0.6 * syllables * torch.nn.functional.avg_pool1d(
        noise[None], 5, stride=1, padding=2
    )[0] + 1e-4 * torch.randn(len(time), generator=generator)


def make_pause(seconds, level_db):
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(round(seconds * SAMPLE_RATE), generator=generator)
    return noise * (0.0 if level_db is None else 10 ** (level_db / 20))


def make(**options):
    return MelFrontend(8, statistics="speech", **options).eval()


def features_of(frontend, *parts):
    waveform = torch.cat(parts)
    features, _ = frontend.features(waveform[None], torch.tensor([len(waveform)]))
    return features[0]


@pytest.mark.parametrize("level_db", [None, -70.0, -50.0, -45.0])
@pytest.mark.parametrize("normalization", ["utterance", "running"])
@pytest.mark.parametrize("seconds", [0.5, 15.0])
def test_speech_comes_out_the_same_whatever_pause_is_before_it(
    speech, normalization, seconds, level_db
):
    frontend, pause = make(normalization=normalization), make_pause(seconds, level_db)
    alone = features_of(frontend, speech)
    behind = features_of(frontend, pause, speech, pause)
    start = len(pause) // 160
    # the first and the last frame see a bit of the pause
    found = behind[start + 2 : start + len(alone) - 2]
    is_loud = alone[2:-2].mean(1) > -1
    assert (found - alone[2:-2])[is_loud].abs().mean() < 0.05


@pytest.mark.parametrize("level_db", [None, -70.0, -50.0])
@pytest.mark.parametrize("seconds", [5.0, 90.0, 600.0])
def test_a_stream_has_the_same_statistics_after_any_gap(speech, seconds, level_db):
    streaming = StreamingFrontend(make(normalization="running"))
    state = streaming.start(1)
    _, before = streaming.accept(speech[None], state)
    statistics = before.statistics
    for piece in make_pause(seconds, level_db)[None].split(30 * SAMPLE_RATE, dim=1):
        _, before = streaming.accept(piece, before)
    after = before.statistics
    for was, now in zip(statistics[:3], after[:3], strict=True):
        # what is left is what the last samples of speech add
        torch.testing.assert_close(now, was, rtol=0.02, atol=1.0)


def test_all_frames_count_in_models_from_before(speech):
    frontend = MelFrontend(8).eval()
    pause = make_pause(15.0, None)
    alone, behind = (features_of(frontend, *p) for p in ((speech,), (pause, speech)))
    features = frontend.log_mel(torch.nn.functional.pad(speech[None], (176, 176)))[0]
    expected = (features - features.mean(0)) / features.std(0, correction=0)
    torch.testing.assert_close(alone, expected, rtol=1e-4, atol=1e-4)
    assert (behind[-len(alone) + 2 :] - alone[2:]).abs().mean() > 0.5


@pytest.mark.parametrize("normalization", ["utterance", "running"])
@pytest.mark.parametrize("num_samples", [1, 160, 8000])
def test_silence_alone_is_finite_and_level(normalization, num_samples):
    frontend = make(normalization=normalization)
    features = features_of(frontend, torch.zeros(num_samples), torch.zeros(num_samples))
    assert features.isfinite().all()
    assert features.shape[0] == 0 or (features - features[0]).abs().max() < 1e-4


@pytest.mark.parametrize("normalization", ["utterance", "running"])
def test_gradients_are_finite_and_padding_has_no_part(speech, normalization):
    normalize = make(normalization=normalization).normalize
    x = torch.randn(2, 50, 80) * 3
    x[1, 30:] = torch.nan
    x.requires_grad_()
    normalized = normalize(x, torch.tensor([50, 30]))
    alone = normalize(x[1:, :30], torch.tensor([30]))
    torch.testing.assert_close(normalized[1:, :30], alone, rtol=1e-5, atol=1e-5)
    (gradient,) = torch.autograd.grad(normalized.square().sum(), x)
    assert gradient.isfinite().all()
    assert (gradient[1, 30:] == 0).all()


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_tracking_does_not_depend_on_the_pieces(size):
    torch.manual_seed(0)
    levels = 30 * torch.rand(2, 1000).double() - 15 * torch.rand(2, 1).double()
    levels[:, 400:600] = -40.0
    start = LoudnessState.start(levels, 2)
    *expected, last = track_loudness(levels, start)
    state, found = start, []
    for piece in levels.split(size, dim=1):
        *each, state = track_loudness(piece, state)
        found.append(each)
    for whole, pieces in zip(expected, zip(*found, strict=True), strict=True):
        torch.testing.assert_close(torch.cat(pieces, dim=1), whole)
    for whole, piecewise in zip(last, state, strict=True):
        torch.testing.assert_close(piecewise, whole)


def test_a_quieter_voice_is_noticed_and_steady_noise_is_not():
    torch.manual_seed(0)
    voice = 10 + 30 * torch.rand(1, 3000).double()
    _, _, state = track_loudness(voice, LoudnessState.start(voice, 1))
    usual, _, _ = track_loudness(voice, state)
    quieter, _, _ = track_loudness(voice - 25, state)
    assert quieter[0, :200].mean() < usual.mean() / 2
    assert quieter[0, -200:].mean() > usual.mean() / 2
    steady, _, _ = track_loudness(torch.full((1, 60_000), 10.0).double(), state)
    assert steady.sum() == 0


def test_a_click_is_not_the_peak():
    levels = torch.full((1, 50), 10.0)
    levels[0, 20:24] = 60.0
    levels[0, 0] = -40.0
    weights = weigh_frames(levels, torch.ones(1, 50, dtype=torch.bool))
    assert weights[0, 1:15].min() == 1
