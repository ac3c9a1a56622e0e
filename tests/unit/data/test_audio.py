import time

import numpy as np
import pytest
import soundfile
import torch

from lact_modules.data import audio, measurement
from lact_modules.data.audio import SAMPLE_RATE, load_audio
from lact_modules.errors import InputError


@pytest.fixture
def tone():
    """One second, whatever the rate."""

    def make(rate, frequency=440.0, seconds=1.0):
        time = np.arange(round(rate * seconds)) / rate
        return 0.5 * np.sin(2 * np.pi * frequency * time).astype(np.float32)

    return make


def write(path, samples, rate=SAMPLE_RATE):
    options = {".opus": {"format": "OGG", "subtype": "OPUS"}}.get(path.suffix, {})
    soundfile.write(path, samples, rate, **options)
    return path


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".opus", ".mp3"])
def test_every_format_gives_the_same_sound(tmp_path, tone, suffix):
    samples = tone(SAMPLE_RATE)
    waveform = load_audio(write(tmp_path / f"tone{suffix}", samples))
    assert waveform.dtype == torch.float32
    assert abs(len(waveform) - SAMPLE_RATE) < 0.1 * SAMPLE_RATE
    strongest = torch.fft.rfft(waveform, SAMPLE_RATE).abs().argmax()
    assert abs(strongest - 440) <= 2


@pytest.mark.parametrize("rate", [8000, 44100, 48000])
def test_other_rates_are_resampled(tmp_path, tone, rate):
    waveform = load_audio(write(tmp_path / "tone.wav", tone(rate), rate))
    expected = torch.from_numpy(tone(SAMPLE_RATE))
    assert waveform.shape == expected.shape
    middle = slice(1000, -1000)
    assert torch.allclose(waveform[middle], expected[middle], atol=1e-2)


def test_channels_are_averaged(tmp_path):
    samples = np.tile(np.float32([0.5, -0.25]), (100, 1))
    waveform = load_audio(write(tmp_path / "stereo.wav", samples))
    assert torch.equal(waveform, torch.full((100,), 0.125))


def test_a_part_is_read_by_offset_and_duration(tmp_path, tone):
    path = write(tmp_path / "tone.flac", tone(SAMPLE_RATE))
    whole = load_audio(path)
    assert torch.equal(load_audio(path, offset=0.25, duration=0.5), whole[4000:12000])
    # lengths in manifests are rounded
    assert torch.equal(load_audio(path, offset=0.75, duration=0.5), whole[12000:])


def test_a_file_longer_than_one_block_is_whole(tmp_path):
    samples = np.linspace(-0.9, 0.9, (1 << 20) + 12345, dtype=np.float32)
    waveform = load_audio(write(tmp_path / "long.wav", samples))
    assert len(waveform) == len(samples)
    assert torch.allclose(waveform, torch.from_numpy(samples), atol=1e-4)


@pytest.mark.parametrize("suffix", [".flac", ".mp3"])
def test_truncated_file_is_refused(tmp_path, tone, suffix):
    path = write(tmp_path / f"cut{suffix}", tone(SAMPLE_RATE, seconds=3.0))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=path.name):
        load_audio(path)


def test_flac_that_announces_more_than_it_holds_is_refused(tmp_path, tone):
    path = write(tmp_path / "short.flac", tone(SAMPLE_RATE))
    content = bytearray(path.read_bytes())
    # Where the header holds the number of samples.
    content[22:26] = (10 * SAMPLE_RATE).to_bytes(4, "big")
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"short\.flac"):
        load_audio(path)


@pytest.mark.parametrize("fault", [np.nan, np.inf])
def test_samples_that_are_no_numbers_are_refused(tmp_path, tone, fault):
    samples = tone(SAMPLE_RATE)
    samples[100] = fault
    path = tmp_path / "fault.wav"
    soundfile.write(path, samples, SAMPLE_RATE, subtype="FLOAT")
    with pytest.raises(InputError, match="NaN or infinite"):
        load_audio(path)


@pytest.mark.parametrize("content", [b"", b"not audio at all\n" * 20])
def test_what_is_not_audio_is_refused(tmp_path, content):
    path = tmp_path / "notes.wav"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"notes\.wav: cannot be read as audio"):
        load_audio(path)


def test_file_without_samples_is_refused(tmp_path):
    path = write(tmp_path / "empty.wav", np.zeros(0, dtype=np.float32))
    with pytest.raises(InputError, match="no samples"):
        load_audio(path)


def test_missing_file_and_folder_are_refused(tmp_path):
    for path in (tmp_path / "gone.wav", tmp_path):
        with pytest.raises(InputError, match="no such file"):
            load_audio(path)


@pytest.mark.parametrize("rate", [1000, 11127, 16001, 22255, 44101, 767_999])
def test_rates_that_divide_badly_are_resampled_as_fast(tmp_path, tone, rate):
    path = write(tmp_path / "tone.wav", tone(rate, seconds=2.0), rate)
    start = time.perf_counter()
    waveform = load_audio(path)
    assert time.perf_counter() - start < 1.0
    expected = torch.from_numpy(tone(SAMPLE_RATE, seconds=2.0))
    assert waveform.shape == expected.shape
    middle = slice(1000, -1000)
    assert torch.allclose(waveform[middle], expected[middle], atol=1e-3)


@pytest.mark.parametrize("rate", [1, 7, 999, 768_001, 2**31 - 1])
def test_rates_that_no_sound_has_are_refused(tmp_path, tone, rate):
    path = write(tmp_path / "tone.wav", tone(SAMPLE_RATE))
    content = bytearray(path.read_bytes())
    content[24:28] = rate.to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"tone\.wav: .* sample rate of {rate} Hz"):
        load_audio(path)


def test_samples_beyond_any_scale_are_refused(tmp_path, tone):
    path = tmp_path / "fault.wav"
    samples = 32768 * tone(SAMPLE_RATE)
    soundfile.write(path, samples, SAMPLE_RATE, subtype="FLOAT")
    # unscaled integers are no fault
    assert torch.equal(load_audio(path), torch.from_numpy(samples))
    samples[100] = 3.4e38
    soundfile.write(path, samples, SAMPLE_RATE, subtype="FLOAT")
    with pytest.raises(InputError, match=r"fault\.wav: holds samples of 3e\+38"):
        load_audio(path)


def test_what_is_too_long_to_be_read_at_once_is_refused(tmp_path, tone, monkeypatch):
    path = write(tmp_path / "long.wav", tone(SAMPLE_RATE, seconds=4.0))
    monkeypatch.setattr(audio, "MAX_HOURS", 3 / 3600)
    with pytest.raises(InputError, match=r"long\.wav: longer than .* cut it into"):
        load_audio(path)
    assert sum(map(len, audio.stream_audio(path))) == 4 * SAMPLE_RATE


def test_one_channel_is_read(tmp_path, tone):
    left, right = tone(SAMPLE_RATE), tone(SAMPLE_RATE, frequency=1000.0)
    path = write(tmp_path / "call.wav", np.stack([left, right], axis=1))
    for channel, samples in enumerate((left, right)):
        loaded = load_audio(path, channel=channel)
        assert torch.allclose(loaded, torch.from_numpy(samples), atol=1e-4)
    assert measurement.count_channels(path) == 2
    with pytest.raises(InputError, match=r"call\.wav: has no channel 2: it has 2"):
        load_audio(path, channel=2)


@pytest.mark.parametrize("gain", [-1.0, -0.8])
def test_channels_that_cancel_are_not_mixed(tmp_path, tone, caplog, gain):
    samples = tone(SAMPLE_RATE)
    pair = np.stack([samples, gain * samples], axis=1)
    path = write(tmp_path / "pair.wav", np.concatenate([np.zeros((9000, 2)), pair]))
    loaded = load_audio(path)[9000:]
    assert torch.allclose(loaded, torch.from_numpy(samples), atol=1e-4)
    assert "pair.wav: its channels cancel each other; channel 0 is" in caplog.text
    # unlike each other, or one of them silent
    for other in (tone(SAMPLE_RATE, 1000.0), np.zeros_like(samples)):
        path = write(tmp_path / "mix.wav", np.stack([samples, other], axis=1))
        mean = torch.from_numpy((samples + other) / 2)
        assert torch.allclose(load_audio(path), mean, atol=1e-4)
    assert "mix.wav" not in caplog.text
