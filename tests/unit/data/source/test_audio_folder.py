import re

import pytest
import soundfile
import torch

from lact_modules.data.source.audio_folder import AudioFolder
from lact_modules.errors import InputError


def write(path, waveform, sample_rate=16000):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, waveform.numpy(), sample_rate, subtype="PCM_24")


@pytest.fixture
def folder(tmp_path):
    """A ramp, whose samples show their place; and a constant in a folder below."""
    write(tmp_path / "ramp.wav", torch.linspace(0, 0.5, 48000))
    write(tmp_path / "more" / "constant.flac", torch.full((8000,), -0.5), 8000)
    (tmp_path / "readme.txt").write_text("no audio")
    return tmp_path


def test_finds_files_below_and_draws_each(folder):
    drawn = [AudioFolder(folder).draw() for _ in range(20)]
    # the constant is resampled
    assert {len(waveform) for waveform in drawn} == {48000, 16000}


def test_reads_a_random_stretch_of_a_long_file(folder):
    (folder / "more" / "constant.flac").unlink()
    stretches = [AudioFolder(folder).draw(max_samples=1600) for _ in range(20)]
    starts = torch.stack([stretch[0] for stretch in stretches])
    assert all(len(stretch) == 1600 for stretch in stretches)
    assert all((stretch.diff() > 0).all() for stretch in stretches)
    assert starts.min() < 0.2
    assert starts.max() > 0.3


def test_reads_all_of_a_short_file(folder):
    (folder / "ramp.wav").unlink()
    assert len(AudioFolder(folder).draw(max_samples=99000)) == 16000


def test_a_generator_decides(folder):
    def draw(seed):
        generator = torch.Generator().manual_seed(seed)
        return [AudioFolder(folder).draw(100, generator) for _ in range(10)]

    assert all(map(torch.equal, draw(1), draw(1)))
    assert not all(map(torch.equal, draw(1), draw(2)))


def test_finds_a_file_by_path_or_number(folder):
    audio = AudioFolder(folder)
    constant = folder / "more" / "constant.flac"
    assert audio.find("more/constant.flac") == audio.find("0") == constant
    assert audio.find("ramp.wav") == audio.find("1") == folder / "ramp.wav"
    for name in ("2", "-1", "", "constant.flac", "readme.txt", "../ramp.wav"):
        fault = f"{re.escape(str(folder / name))}: .* such as more/constant.flac, or a "
        with pytest.raises(InputError, match=fault + "number from 0 to 1"):
            audio.find(name)


def test_a_folder_without_audio_is_refused(tmp_path):
    with pytest.raises(InputError, match=f"{tmp_path}: no audio below"):
        AudioFolder(tmp_path)
    with pytest.raises(InputError, match="nowhere: no such folder"):
        AudioFolder(tmp_path / "nowhere")


@pytest.mark.parametrize("max_samples", [None, 100])
def test_a_file_that_is_not_audio_is_named(tmp_path, max_samples):
    (tmp_path / "broken.wav").write_text("no audio")
    with pytest.raises(InputError, match=r"broken.wav: cannot be read as audio"):
        AudioFolder(tmp_path).draw(max_samples)
