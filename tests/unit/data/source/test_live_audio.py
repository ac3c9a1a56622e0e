import io
import os
import sys
import threading
import types

import numpy as np
import pytest
import soundfile
import torch

from lact_modules.data.audio import load_audio
from lact_modules.data.source import live_audio
from lact_modules.data.source.live_audio import read_file, read_pcm, record
from lact_modules.errors import InputError
from tests.audio_files import encode, make_sound


def make_samples(num_samples):
    generator = np.random.default_rng(0)
    return generator.integers(-20000, 20000, num_samples).astype("<i2")


@pytest.mark.parametrize("sample_rate", [8000, 16000, 22050, 48000])
@pytest.mark.parametrize("size", [1, 333, 100_000])
def test_pcm_does_not_depend_on_how_a_pipe_cuts_it(sample_rate, size, tmp_path):
    samples = make_samples(9001)
    given = samples.tobytes()
    reader, writer = os.pipe()

    def write():
        with open(writer, "wb", buffering=0) as stream:
            for start in range(0, len(given), size):
                stream.write(given[start : start + size])

    thread = threading.Thread(target=write)
    thread.start()
    with open(reader, "rb") as stream:
        blocks = list(read_pcm(stream, sample_rate))
    thread.join()
    at_once = list(read_pcm(io.BytesIO(given), sample_rate))
    assert all(map(torch.equal, blocks, at_once))
    soundfile.write(tmp_path / "a.wav", samples, sample_rate)
    whole = load_audio(tmp_path / "a.wav")
    torch.testing.assert_close(torch.cat(blocks), whole)
    assert {len(block) for block in blocks[:-1]} == {640}


def test_blocks_of_pcm_come_as_soon_as_they_are_there():
    class Pipe(io.BytesIO):
        def read(self, size=-1):
            self.last = size
            return super().read(size)

    pipe = Pipe(make_samples(16000).tobytes())
    blocks = read_pcm(pipe)
    next(blocks)
    assert pipe.tell() == 2 * 640


def test_a_file_is_read_in_blocks(tmp_path):
    soundfile.write(tmp_path / "a.wav", make_samples(50_001), 44100)
    blocks = list(read_file(tmp_path / "a.wav"))
    assert {len(block) for block in blocks[:-1]} == {640}
    torch.testing.assert_close(torch.cat(blocks), load_audio(tmp_path / "a.wav"))
    with pytest.raises(InputError, match="no such file"):
        list(read_file(tmp_path / "none.wav"))


def test_blocks_come_at_the_speed_of_speech(monkeypatch):
    now, slept = [0.0], []

    def sleep(seconds):
        slept.append(seconds)
        now[0] += seconds

    clock = types.SimpleNamespace(monotonic=lambda: now[0], sleep=sleep)
    monkeypatch.setattr(live_audio, "time", clock)
    for block in live_audio.at_speed_of_speech(torch.zeros(3200).split(1600)):
        assert now[0] == pytest.approx(0.1 * len(slept))
        # computing takes some of the time
        now[0] += 0.03
        assert len(block) == 1600
    assert slept == pytest.approx([0.1, 0.07])


class FakeInputStream:
    def __init__(self, samplerate, channels, dtype):
        assert (samplerate, channels, dtype) == (16000, 1, "float32")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def read(self, size):
        return np.full((size, 1), 0.5, dtype=np.float32), True


def test_the_microphone_is_recorded(monkeypatch, caplog):
    fake = types.ModuleType("sounddevice")
    fake.InputStream = FakeInputStream
    fake.PortAudioError = type("PortAudioError", (Exception,), {})
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    block = next(record())
    assert torch.equal(block, torch.full((640,), 0.5))
    assert "samples lost" in caplog.text

    def fail(**_):
        raise fake.PortAudioError("Error querying device -1")

    fake.InputStream = fail
    with pytest.raises(InputError, match="microphone: Error querying device"):
        next(record())


def test_without_sounddevice_there_is_no_microphone(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(InputError, match=r"pip install 'lact-asr\[mic\]'"):
        next(record())


@pytest.mark.parametrize("kind", ["wav", "list first", "extensible"])
@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_wav_in_a_pipe_is_read_by_its_header(kind, rate, channels, tmp_path):
    samples = make_samples(9001 * channels).reshape(-1, channels)
    path = tmp_path / "a.wav"
    format = "WAVEX" if kind == "extensible" else "WAV"
    soundfile.write(path, samples, rate, format=format, subtype="PCM_16")
    data = path.read_bytes()
    if kind == "list first":
        place = data.index(b"data")
        data = data[:place] + b"LIST\xd1\x07\x00\x00" + bytes(2002) + data[place:]
    samples = torch.cat(list(read_pcm(io.BytesIO(data))))
    torch.testing.assert_close(samples, load_audio(path))
    with pytest.raises(InputError, match="--sample-rate 48000: the WAV on stdin has"):
        list(read_pcm(io.BytesIO(data), 48000))


@pytest.mark.parametrize("kind", ["flac", "ogg", "opus", "mp3", "aiff", "m4a", "webm"])
def test_other_files_in_a_pipe_are_refused(kind):
    data = encode(make_sound(), kind)
    with pytest.raises(InputError, match=r"stdin: .* a file \(.*\); give its name"):
        list(read_pcm(io.BytesIO(data)))


def test_a_wav_of_floats_in_a_pipe_is_refused(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(99), 16000, subtype="FLOAT")
    data = (tmp_path / "a.wav").read_bytes()
    with pytest.raises(InputError, match="stdin: a WAV whose samples are not of 16"):
        list(read_pcm(io.BytesIO(data)))
    with pytest.raises(InputError, match="stdin: a WAV without samples"):
        list(read_pcm(io.BytesIO(encode(make_sound(), "wav")[:40])))
