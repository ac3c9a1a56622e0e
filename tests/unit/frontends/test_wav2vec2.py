"""The wav2vec 2.0 front end: rates, lengths, masks; padding has no influence."""

import itertools
from fractions import Fraction
from functools import partial
from math import ceil

import numpy as np
import pytest
import torch

from lact_modules.encoders import CTCModel, Encoder
from lact_modules.frontends import Wav2Vec2Frontend
from lact_modules.layers import FeedForward, LaCTMixer
from lact_modules.model_store.model_builder import build_model

NORMS = ["group", "layer"]
# frames a second that each setting gives
RATES = [
    ({}, 80),
    ({"target_hop_ms": 20}, 50),
    ({"target_hop_ms": 10}, 100),
    ({"target_hop_ms": 5}, 200),
    ({"target_hop_ms": 2.5}, 400),
    ({"target_hop_ms": 0.3125}, 3200),
    ({"encoder_target_ds_factor": 5}, 200),
    ({"target_frame_rate": 80}, 80),
    ({"target_frame_rate": 62.5}, Fraction(125, 2)),
    ({"target_frame_rate": 100}, 100),
    ({"target_frame_rate": 25}, 25),
]
# the fourth ends where a frame at 80 Hz would read beyond its last one at 100 Hz
LENGTHS = torch.tensor([4000, 2503, 960, 601, 399, 7, 1])


def make(channels=8, **options):
    torch.manual_seed(0)
    return Wav2Vec2Frontend(16, channels=channels, **options).eval()


def batch_of_nan():
    waveform = torch.randn(len(LENGTHS), 4000) + 0.3
    for i, length in enumerate(LENGTHS):
        waveform[i, length:] = torch.nan
    return waveform


@pytest.mark.parametrize(("options", "rate"), RATES)
@pytest.mark.parametrize("norm", NORMS)
def test_frames_are_the_rate_times_the_duration(norm, options, rate):
    frontend = make(norm=norm, **options)
    assert frontend.frame_rate == rate
    for num_samples in [1, 9, 10, 159, 160, 161, 320, 399, 400, 401, 4000, 4001]:
        x, lengths = frontend(torch.randn(1, num_samples), torch.tensor([num_samples]))
        assert lengths.dtype == torch.int64
        assert lengths.item() == ceil(Fraction(num_samples * rate, 16000))
        assert x.shape == (1, lengths.item(), 16)
        assert x.isfinite().all()


@pytest.mark.parametrize(
    ("options", "expected"),
    [({"target_hop_ms": 5}, 2000), ({"target_frame_rate": 80}, 800), ({}, 800)],
)
def test_ten_seconds(options, expected):
    _, lengths = make(channels=2, **options)(
        torch.randn(1, 160000), torch.tensor([160000])
    )
    assert abs(lengths.item() - expected) <= 1


@pytest.mark.parametrize(("options", "_rate"), RATES)
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("normalize_input", [True, False])
def test_alone_equals_in_a_batch_of_nan(norm, options, _rate, normalize_input):
    options = {**options, "normalize_input": normalize_input}
    frontend = make(norm=norm, conv_bias=True, **options)
    waveform = batch_of_nan()
    together, frames = frontend(waveform, LENGTHS)
    features, _ = frontend.features(waveform, LENGTHS)
    for i, length in enumerate(LENGTHS):
        alone, num_frames = frontend(waveform[i : i + 1, :length], LENGTHS[i : i + 1])
        assert num_frames == frames[i]
        torch.testing.assert_close(
            together[i, : frames[i]], alone[0], atol=1e-5, rtol=1e-4
        )
        assert (features[i, frames[i] :] == 0).all()


@pytest.mark.parametrize("norm", NORMS)
def test_gradients_are_finite_and_reach_every_parameter(norm):
    """Also the mask's, though there is none: DDP stops at what has no gradient."""
    frontend = make(norm=norm, conv_bias=True).train()
    x, frames = frontend(batch_of_nan(), LENGTHS)
    sum(x[i, :count].square().sum() for i, count in enumerate(frames)).backward()
    for name, parameter in frontend.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(("hop_ms", "step"), [(10, 2), (5, 4), (2.5, 8), (0.3125, 64)])
def test_a_finer_hop_keeps_the_frames_of_the_usual_one(norm, hop_ms, step):
    usual = make(norm=norm, target_hop_ms=20)
    fine = make(norm=norm, target_hop_ms=hop_ms)
    fine.load_state_dict(usual.state_dict())
    waveform, lengths = torch.randn(2, 3001), torch.tensor([3001, 1777])
    expected, frames = usual(waveform, lengths)
    found, _ = fine(waveform, lengths)
    for i, count in enumerate(frames):
        torch.testing.assert_close(
            found[i, ::step][:count], expected[i, :count], atol=1e-5, rtol=1e-4
        )


@pytest.mark.parametrize(("rate", "hop_ms"), [(80, 10), (62.5, 10), (150, 5), (25, 20)])
def test_other_rates_interpolate_between_frames(rate, hop_ms):
    options = {"norm": "layer", "normalize_input": False}
    frontend = make(target_frame_rate=rate, **options)
    waveform, lengths = torch.randn(1, 3001), torch.tensor([3001])
    source = make(target_hop_ms=hop_ms, **options).cnn(waveform, lengths)[0].detach()
    features, frames = frontend.features(waveform, lengths)
    places = np.arange(frames.item()) * (1000 / hop_ms) / rate
    expected = [np.interp(places, np.arange(len(source)), each) for each in source.T]
    expected = frontend.norm(torch.tensor(np.array(expected)).T.float())
    torch.testing.assert_close(features[0], expected, atol=1e-5, rtol=1e-4)


def test_stacked_frames_are_joined_and_none_is_lost():
    frontend = make(target_hop_ms=20, stack=2)
    assert frontend.frame_rate == 25
    waveform, lengths = torch.randn(2, 1600), torch.tensor([1600, 900])
    features, frames = frontend.features(waveform, lengths)
    x, stacked = frontend(waveform, lengths)
    assert frames.tolist() == [5, 3]
    assert stacked.tolist() == [3, 2]
    last = torch.cat([features[0, 4], torch.zeros_like(features[0, 4])])
    torch.testing.assert_close(x[0, 2], frontend.project(last))
    alone, _ = frontend(waveform[1:, :900], lengths[1:])
    torch.testing.assert_close(x[1, :2], alone[0])


def test_names_of_a_rate_mean_the_same():
    waveform, lengths = torch.randn(1, 3001), torch.tensor([3001])
    for first, second in [
        ({"target_hop_ms": 5}, {"encoder_target_ds_factor": 5}),
        ({"target_hop_ms": 10}, {"target_frame_rate": 100}),
        ({"target_frame_rate": 80}, {}),
    ]:
        outputs = [make(**options)(waveform, lengths)[0] for options in (first, second)]
        assert outputs[0].equal(outputs[1])


def test_loudness_and_offset_do_not_matter_if_the_input_is_normalized():
    frontend = make(norm="layer")
    waveform, lengths = torch.randn(1, 4000), torch.tensor([4000])
    expected, _ = frontend(waveform, lengths)
    found, _ = frontend(waveform / 4 + 0.1, lengths)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    frontend.normalize_input = False
    assert not frontend(waveform / 4 + 0.1, lengths)[0].allclose(expected, atol=0.01)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(("options", "_rate"), RATES)
def test_silence_and_nothing_are_finite(norm, options, _rate):
    frontend = make(norm=norm, **options).train()
    lengths = torch.tensor([1000, 0])
    x, frames = frontend(torch.zeros(2, 1000), lengths)
    assert frames[1] == 0
    assert x.isfinite().all()
    x, frames = frontend(torch.zeros(2, 0), torch.zeros(2, dtype=torch.int64))
    assert frames.tolist() == [0, 0]
    assert x.isfinite().all()


def test_frozen_convolutions_stay_while_the_rest_learns():
    frontend = make(freeze=True).train()
    waveform, lengths = torch.randn(2, 2000), torch.tensor([2000, 1000])
    assert not frontend.cnn(waveform, lengths).requires_grad
    frontend(waveform, lengths)[0].square().sum().backward()
    with_gradient = {
        name for name, p in frontend.named_parameters() if p.grad is not None
    }
    assert not any(name.startswith("cnn.") for name in with_gradient)
    assert {"norm.weight", "project.weight"} <= with_gradient


def test_time_masks_put_a_learned_frame_in_training_alone():
    frontend = make(mask_time_prob=0.5, mask_time_span=3)
    waveform, lengths = torch.randn(2, 8000), torch.tensor([8000, 4000])
    expected, frames = frontend(waveform, lengths)
    assert frontend(waveform, lengths)[0].equal(expected)
    x, _ = frontend.train()(waveform, lengths)
    is_hidden = (x == frontend.mask_embedding).all(dim=-1)
    for i, count in enumerate(frames):
        assert 3 <= is_hidden[i, :count].sum() < count
        assert not is_hidden[i, count:].any()
    assert x[~is_hidden].equal(expected[~is_hidden])


def test_feature_masks_put_zeros_in_training_alone():
    frontend = make(mask_feature_prob=0.5, mask_feature_span=4)
    waveform, lengths = torch.randn(2, 8000), torch.tensor([8000, 4000])
    expected, _ = frontend(waveform, lengths)
    x, _ = frontend.train()(waveform, lengths)
    is_zeroed = (x == 0).all(dim=1)
    assert ((is_zeroed.sum(dim=1) >= 4) & (is_zeroed.sum(dim=1) < 16)).all()
    kept = ~is_zeroed[:, None].expand_as(x)
    assert x[kept].equal(expected[kept])
    assert not (frontend.eval()(waveform, lengths)[0] == 0).any()


def test_masks_differ_and_are_repeatable():
    frontend = make(mask_time_prob=0.5).train()
    waveform, lengths = torch.randn(1, 8000), torch.tensor([8000])
    outputs = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        outputs.append(frontend(waveform, lengths)[0])
    assert outputs[0].equal(outputs[1])
    assert not outputs[0].equal(outputs[2])


def test_dropout_is_of_the_frames_given_out():
    frontend = make(dropout=0.5).train()
    x, _ = frontend(torch.randn(1, 8000), torch.tensor([8000]))
    assert 0.3 < (x == 0).float().mean() < 0.7


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target_hop_ms": 4}, "target_hop_ms=4: choose one of 20, 10, 5, 2.5, "),
        ({"encoder_target_ds_factor": 3}, "encoder_target_ds_factor=3: choose one of"),
        ({"target_frame_rate": 0}, "target_frame_rate=0: choose 1 to 3200"),
        ({"target_frame_rate": 4000}, "target_frame_rate=4000: choose 1 to 3200"),
        ({"target_frame_rate": float("nan")}, "target_frame_rate=nan: choose"),
        ({"stack": 0}, "stack=0: must be above 0"),
        ({"norm": "batch"}, "norm='batch': choose 'group' or 'layer'"),
    ],
)
def test_unknown_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)


def test_one_rate_at_most():
    rates = {
        "target_hop_ms": 5,
        "target_frame_rate": 80,
        "encoder_target_ds_factor": 5,
    }
    for first, second in itertools.combinations(rates, 2):
        with pytest.raises(ValueError, match=f"{first} and {second}: give one"):
            make(**{first: rates[first], second: rates[second]})


@pytest.mark.parametrize("norm", NORMS)
def test_is_described_by_its_arguments_and_its_state(norm):
    arguments = {"d_model": 16, "channels": 8, "norm": norm, "mask_time_prob": 0.1}
    description = {
        "class": "lact_modules.frontends.Wav2Vec2Frontend",
        "arguments": arguments,
    }
    with torch.device("meta"):
        blueprint = build_model(description)
    frontend, other = make(norm=norm), build_model(description).eval()
    shapes = {name: each.shape for name, each in blueprint.state_dict().items()}
    assert shapes == {name: each.shape for name, each in other.state_dict().items()}
    other.load_state_dict(frontend.state_dict())
    waveform, lengths = torch.randn(1, 2000), torch.tensor([2000])
    assert other(waveform, lengths)[0].equal(frontend(waveform, lengths)[0])


@pytest.mark.parametrize("norm", NORMS)
def test_bfloat16_is_near_float32(norm):
    frontend = make(norm=norm, channels=16)
    waveform, lengths = torch.randn(2, 4000), torch.tensor([4000, 1999])
    expected, frames = frontend(waveform, lengths)
    with torch.autocast("cpu", torch.bfloat16):
        features, _ = frontend.features(waveform, lengths)
        found, _ = frontend.subsample(features, frames)
    assert features.dtype == torch.float32
    assert found.dtype == torch.bfloat16
    for i, count in enumerate(frames):
        torch.testing.assert_close(
            found[i, :count].float(), expected[i, :count], atol=0.1, rtol=0.05
        )


def test_is_a_front_end_of_a_model():
    mixer, ffn = partial(LaCTMixer, 16, 2, 2), partial(FeedForward, 16, 16)
    model = CTCModel(make(), Encoder(16, 1, mixer, ffn), num_tokens=5)
    log_probs, lengths = model(torch.randn(2, 4000), torch.tensor([4000, 2000]))
    assert log_probs.shape == (2, 20, 5)
    assert lengths.tolist() == [20, 10]
    assert model.frame_rate == 80
