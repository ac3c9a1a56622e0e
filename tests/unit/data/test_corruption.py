import math

import pytest
import torch

from lact_modules.data.corruption import (
    CODECS,
    add_gaussian,
    add_noise,
    apply_codec,
    band_limit,
    change_speed,
    clip,
    reverberate,
    rms,
)
from lact_modules.errors import InputError


def decibels(signal, noise):
    return 20 * torch.log10(rms(signal) / rms(noise)).item()


def tone(frequency, num_samples=16000):
    return 0.5 * torch.sin(2 * math.pi * frequency / 16000 * torch.arange(num_samples))


def lag(late, early):
    """Samples by which one signal follows the other."""
    size = 2 * len(early)
    product = torch.fft.rfft(late, size) * torch.fft.rfft(early, size).conj()
    peak = int(torch.fft.irfft(product, size).argmax())
    return peak if peak < len(early) else peak - size


@pytest.fixture
def speech():
    """Bursts of noise with silence between: 2 s, broad in frequency."""
    generator = torch.Generator().manual_seed(0)
    loudness = torch.linspace(0, 12, 32000).sin().clamp(min=0)
    noise = torch.randn(32000, generator=generator)
    return band_limit(0.1 * loudness * noise, 12000)


@pytest.fixture
def response():
    """A room: direct path after 300 samples, then 0.3 s of decay."""
    generator = torch.Generator().manual_seed(1)
    decay = torch.exp(-torch.arange(4800) / 800)
    echoes = 0.05 * decay * torch.randn(4800, generator=generator)
    return torch.cat([torch.zeros(300), torch.ones(1), echoes])


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 12.5, 40.0])
@pytest.mark.parametrize("num_noise", [700, 32000, 50000])
def test_noise_has_the_requested_snr(speech, snr_db, num_noise):
    noisy = add_noise(speech, torch.randn(num_noise), snr_db)
    assert noisy.shape == speech.shape
    assert decibels(speech, noisy - speech) == pytest.approx(snr_db, abs=0.1)


def test_short_noise_is_repeated(speech):
    noise = torch.randn(700)
    added = add_noise(speech, noise, 0.0) - speech
    assert torch.allclose(added[:700], added[1400:2100], atol=1e-5)
    ratio = added[700:1400] / noise
    assert torch.allclose(ratio, ratio.median(), rtol=1e-3, atol=1e-3)


def test_silence_stays_and_adds_nothing(speech):
    assert torch.equal(add_noise(speech, torch.zeros(9), 0.0), speech)
    assert torch.equal(add_noise(torch.zeros(9), speech, 0.0), torch.zeros(9))
    silence = torch.zeros(100)
    assert torch.equal(reverberate(silence, speech), silence)
    for codec in CODECS:
        # mu-law has no zero
        assert apply_codec(silence, codec).abs().max() < 1e-3


def test_gaussian_noise_has_its_sigma_and_its_seed(speech):
    noisy = add_gaussian(speech, 0.05, torch.Generator().manual_seed(2))
    assert rms(noisy - speech).item() == pytest.approx(0.05, rel=0.02)
    again = add_gaussian(speech, 0.05, torch.Generator().manual_seed(2))
    assert torch.equal(noisy, again)


def test_reverberation_keeps_level_and_place(speech, response):
    wet = reverberate(speech, response)
    assert wet.shape == speech.shape
    assert decibels(wet, speech) == pytest.approx(0, abs=0.01)
    assert lag(wet, speech) == 0
    assert not torch.allclose(wet, speech, atol=0.01)
    # it still sounds where speech has stopped, and not before it begins
    pause = slice(8800, 9600)
    assert rms(wet[pause]) > 100 * rms(speech[pause])


def test_reverberation_is_the_convolution(speech, response):
    speech, response = speech[5000:5500], response[:1000]
    wet = reverberate(speech, response)
    padded = torch.nn.functional.pad(speech, (len(response) - 1, len(response) - 1))
    slow = padded.unfold(0, len(response), 1) @ response.flip(0)
    slow = slow[300 : 300 + len(speech)]
    assert torch.allclose(wet, slow * rms(speech) / rms(slow), atol=1e-5)


def test_a_room_without_echoes_changes_nothing(speech):
    response = torch.zeros(1000)
    response[123] = 0.3
    assert torch.allclose(reverberate(speech, response), speech, atol=1e-6)


@pytest.mark.parametrize("sample_rate", [8000, 11025])
def test_band_limit_attenuates_above_half_the_rate(sample_rate):
    inner = slice(800, -800)
    for frequency in (300, 0.3 * sample_rate):
        kept = band_limit(tone(frequency), sample_rate)
        assert torch.allclose(kept[inner], tone(frequency)[inner], atol=0.02)
    for frequency in (0.6 * sample_rate, 7500):
        removed = band_limit(tone(frequency), sample_rate)
        assert decibels(removed[inner], tone(frequency)) < -40


def test_clips_at_a_fraction_of_the_peak(speech):
    clipped = clip(speech, 0.3)
    ceiling = 0.3 * speech.abs().max()
    assert clipped.abs().max() == ceiling
    is_below = speech.abs() < ceiling
    assert torch.equal(clipped[is_below], speech[is_below])
    assert torch.equal(clip(speech, 1.0), speech)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("num_samples", [1, 161, 31999])
def test_codec_keeps_the_length(speech, codec, num_samples):
    assert apply_codec(speech[:num_samples], codec).shape == (num_samples,)


@pytest.mark.parametrize("codec", CODECS)
def test_codec_is_audible_and_keeps_its_place(speech, codec):
    coded = apply_codec(speech, codec)
    assert coded.dtype == torch.float32
    assert lag(coded, speech) == 0
    assert 1 < decibels(speech, coded - speech) < 45
    assert torch.equal(apply_codec(speech, codec), coded)


@pytest.mark.parametrize("codec", CODECS)
def test_codec_does_not_overload(speech, codec):
    loud = 4 * speech / speech.abs().max()
    assert decibels(loud, apply_codec(loud, codec) - loud) > 1


def test_unknown_codec_is_refused():
    with pytest.raises(InputError, match=r"codec 'amr': unknown; choose from mulaw,"):
        apply_codec(torch.zeros(10), "amr")


@pytest.mark.parametrize("factor", [0.85, 1.0, 1.1])
def test_speed_changes_length_and_pitch(factor):
    fast = change_speed(tone(1000), factor)
    assert len(fast) == math.ceil(16000 / factor)
    expected = tone(1000 * factor, len(fast))
    assert torch.allclose(fast[800:-800], expected[800:-800], atol=0.01)
