import numpy as np
import pytest
import soundfile

from lact_modules.data.manifest.durations import measure_durations
from lact_modules.data.manifest.manifest import Utterance
from lact_modules.errors import InputError


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "a.flac"
    soundfile.write(path, np.zeros(12000), 8000)
    return path


def test_only_missing_durations_are_read_from_the_files(path):
    known = Utterance("known", "gone.wav", "ONE", 0.25)
    whole = Utterance("whole", str(path), "ONE", 0.0)
    rest = Utterance("rest", str(path), "ONE", 0.0, offset=0.5)
    measured = measure_durations([known, whole, rest])
    assert measured[0] == known
    assert [u.duration for u in measured] == [0.25, 1.5, 1.0]
    assert measured[2].offset == 0.5


def test_an_mp3_lasts_as_long_as_it_sounds_whatever_its_header_declares(tmp_path):
    path = tmp_path / "a.mp3"
    noise = 0.1 * np.random.default_rng(0).standard_normal(100_000)
    soundfile.write(path, noise, 48_000)
    path.write_bytes(path.read_bytes()[:-50])
    [measured] = measure_durations([Utterance("a", str(path), "ONE", 0.0)])
    assert measured.duration == len(soundfile.read(path)[0]) / 48_000
    assert measured.duration < soundfile.info(path).duration


def test_file_at_fault_is_named(path, tmp_path):
    with pytest.raises(InputError, match=r"gone\.wav: no such file"):
        measure_durations([Utterance("u", "gone.wav", "ONE", 0.0)])
    with pytest.raises(InputError, match=r"a\.flac: ends before u begins, at 2 s"):
        measure_durations([Utterance("u", str(path), "ONE", 0.0, offset=2.0)])
    noise = tmp_path / "noise.wav"
    noise.write_bytes(b"noise")
    with pytest.raises(InputError, match=r"noise\.wav: cannot be read as audio"):
        measure_durations([Utterance("u", str(noise), "ONE", 0.0)])
