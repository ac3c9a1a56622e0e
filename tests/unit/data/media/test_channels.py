import io

import numpy as np
import pytest
import soundfile
import torch

from lact_modules.data.audio import load_audio
from lact_modules.data.media.channels import Mixer
from lact_modules.data.media.decode import sndfile
from lact_modules.data.source.live_audio import read_pcm
from tests.audio_files import RATE, make_sound

# cancels from 2.23 s to 4.1 s
SOUND = make_sound(6.0) + make_sound(6.0, pitch=210.0) / 3
GAIN = np.ones(len(SOUND), np.float32)
GAIN[int(2.23 * RATE) : int(4.1 * RATE)] = -0.9
PAIR = np.stack([SOUND, GAIN * SOUND], axis=1)


def write(path, samples):
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    return path


def mix(samples, size=None, **options):
    blocks = np.split(samples, range(size, len(samples), size)) if size else [samples]
    return np.concatenate([*Mixer(**options).mix(blocks, RATE)])


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_nothing_is_lost_where_channels_cancel(order):
    warnings = []
    mixed = mix(PAIR[:, order], warn=warnings.append)
    # half a second around may be taken from one channel too
    is_sure = np.abs(np.arange(len(SOUND)) / RATE - 3.165) > 0.935 + 0.5
    np.testing.assert_allclose(mixed[is_sure], SOUND[is_sure], atol=1e-6)
    windows = np.square(mixed).reshape(-1, 800).sum(axis=1)
    expected = np.square(SOUND).reshape(-1, 800).sum(axis=1)
    assert (windows > 0.75 * expected).all()
    # channels change without a click
    assert np.abs(np.diff(mixed)).max() < 1.2 * np.abs(np.diff(SOUND)).max()
    [message] = set(warnings)
    assert message == (
        f"its channels cancel each other; channel {order.index(0)} is read alone where "
        "they do"
    )


@pytest.mark.parametrize("size", [1, 7, 999, 7999, 8000, 8001, 50_000])
def test_the_mixture_does_not_depend_on_blocks(size):
    pair = PAIR[: 4 * RATE] if size > 1 else PAIR[2 * RATE : 3 * RATE]
    np.testing.assert_array_equal(mix(pair, size), mix(pair))


def test_a_segment_is_mixed_as_in_the_whole(tmp_path, monkeypatch):
    path = write(tmp_path / "a.wav", PAIR)
    whole = load_audio(path)
    monkeypatch.setattr(sndfile, "BLOCK", 3000)
    assert torch.equal(load_audio(path), whole)
    random = np.random.default_rng(0)
    for start in random.integers(0, len(whole) - 100, 30):
        size = random.integers(1, len(whole) - start)
        segment = load_audio(path, offset=start / RATE, duration=size / RATE)
        assert torch.equal(segment, whole[start : start + size])


def test_a_wav_in_a_pipe_is_mixed_as_a_file(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, PAIR, RATE, subtype="PCM_16")
    piped = torch.cat([*read_pcm(io.BytesIO(path.read_bytes()))])
    assert torch.equal(piped, load_audio(path))


def test_channels_that_do_not_cancel_are_averaged():
    silent, other = np.zeros_like(SOUND), make_sound(6.0, pitch=800.0)
    noise = np.random.default_rng(0).normal(size=len(SOUND)).astype("f4")
    for second in (silent, other, noise, 0.3 * SOUND, -0.1 * SOUND):
        warnings = []
        mixed = mix(np.stack([SOUND, second], axis=1), warn=warnings.append)
        np.testing.assert_allclose(mixed, (SOUND + second) / 2, atol=1e-6)
        assert not warnings


def test_six_channels_of_which_two_cancel():
    six = np.stack([SOUND, -SOUND, *np.zeros((4, len(SOUND)), np.float32)], axis=1)
    np.testing.assert_array_equal(mix(six), SOUND)
    np.testing.assert_array_equal(mix(six, channel=1), -SOUND)
