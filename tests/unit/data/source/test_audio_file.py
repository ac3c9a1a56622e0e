import numpy as np
import pytest
import soundfile
import torch

from lact_modules.data.audio import SAMPLE_RATE, load_audio
from lact_modules.data.media.decode import sndfile as module
from lact_modules.data.source.audio_file import AudioFile, open_audio
from lact_modules.errors import InputError


@pytest.fixture
def write(tmp_path):
    def write_noise(num_samples, rate, name="noise.wav"):
        noise = np.random.default_rng(0).uniform(-0.9, 0.9, num_samples)
        path = tmp_path / name
        subtype = "FLOAT" if path.suffix == ".wav" else None
        soundfile.write(path, noise.astype(np.float32), rate, subtype=subtype)
        return path

    return write_noise


@pytest.mark.parametrize("rate", [8000, 11127, 22050, 44100, 48000, 192000])
@pytest.mark.parametrize("num_samples", [9, 999, 5000, 23456])
def test_blocks_are_resampled_as_the_whole(write, monkeypatch, rate, num_samples):
    path = write(num_samples, rate)
    whole = load_audio(path)
    assert len(whole) == round(num_samples * SAMPLE_RATE / rate)
    for block in (100, 1000, 5000):
        monkeypatch.setattr(module, "BLOCK", block)
        assert torch.equal(load_audio(path), whole)
        assert len(AudioFile(path)) == len(whole)


@pytest.mark.parametrize("size", [700, 4000, 8000, 9000])
def test_pieces_are_the_whole(write, monkeypatch, size):
    monkeypatch.setattr(module, "BLOCK", 2000)
    part = {"offset": 0.1, "duration": 0.5}
    path = write(30000, 44100)
    audio = AudioFile(path, **part)
    pieces = [*audio.split(size)]
    assert all(len(piece) == size for piece in pieces[:-1])
    assert len(audio) == 8000
    assert torch.equal(torch.cat(pieces), load_audio(path, **part))


def test_what_is_long_stays_in_its_file(write):
    path = write(16000, 16000)
    assert isinstance(open_audio(path, max_seconds=0.9), AudioFile)
    assert torch.equal(open_audio(path, max_seconds=1.0), load_audio(path))
    part = open_audio(path, max_seconds=0.5, offset=0.7)
    assert torch.equal(part, load_audio(path, offset=0.7))


def test_a_truncated_file_is_refused_before_it_is_used(write):
    path = write(100_000, 16000, "noise.flac")
    path.write_bytes(path.read_bytes()[:200_000])
    with pytest.raises(InputError, match=r"noise\.flac"):
        open_audio(path, max_seconds=1.0)
