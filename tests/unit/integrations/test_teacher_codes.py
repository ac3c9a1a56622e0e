import io
import itertools

import numpy as np
import pytest
import soundfile

from lact_modules.data.code_file import CodeFile
from lact_modules.data.manifest.manifest import Utterance
from lact_modules.errors import InputError
from lact_modules.integrations import teacher_codes
from lact_modules.integrations.teacher_codes import compute_codes

LOUDNESS = (0.0, 0.2, 0.4, 0.6)


@pytest.fixture
def utterances(tmp_path):
    """Recordings of 10 frames of each of two loudnesses."""
    made = []
    for i in range(6):
        pair = LOUDNESS[i % 4], LOUDNESS[(i + 1) % 4]
        path = tmp_path / f"{i}.wav"
        soundfile.write(path, np.repeat(pair, 1000), 16000)
        made.append(Utterance(f"u{i}", str(path), "A", 0.125))
    return made


class Teacher:
    """Hears how loud each 100 samples are."""

    def __init__(self, fail_at=None):
        self.num_calls, self.fail_at = 0, fail_at

    def __call__(self, samples):
        if self.num_calls == self.fail_at:
            raise KeyboardInterrupt
        self.num_calls += 1
        return samples.reshape(-1, 100).mean(dim=1, keepdim=True).numpy()


def test_frames_that_are_alike_have_one_code(utterances, tmp_path):
    compute_codes(utterances, Teacher(), 4, tmp_path / "codes.npz", "ear")
    codes = CodeFile(tmp_path / "codes.npz")
    pairs = [codes[f"u{i}"][[0, 9, 10, 19]].tolist() for i in range(6)]
    assert all(first == second != third for first, second, third, _ in pairs)
    # what comes second in one comes first in the next
    assert all(one[2] == other[0] for one, other in itertools.pairwise(pairs))
    assert codes.num_codes == 4


def test_an_interrupted_run_continues(utterances, tmp_path, monkeypatch):
    monkeypatch.setattr(teacher_codes, "_PART", 2)
    path = tmp_path / "codes.npz"
    with pytest.raises(KeyboardInterrupt):
        # six for the clusters, then two parts and one of the third
        compute_codes(utterances, Teacher(fail_at=11), 4, path, "ear")
    assert not path.exists()
    with pytest.raises(InputError, match="is of another teacher"):
        compute_codes(utterances, Teacher(), 4, path, "another ear")
    teacher = Teacher()
    compute_codes(utterances, teacher, 4, path, "ear")
    assert teacher.num_calls == 2
    compute_codes(utterances, Teacher(), 4, tmp_path / "whole.npz", "ear")
    assert path.read_bytes() == (tmp_path / "whole.npz").read_bytes()
    assert not [*tmp_path.glob("*.parts")]


def test_more_codes_than_frames_are_refused(utterances, tmp_path):
    with pytest.raises(InputError, match="--codes 200: there are only 4 different"):
        compute_codes(utterances, Teacher(), 200, tmp_path / "codes.npz", "ear")


def saved(save, *arrays, **named):
    stream = io.BytesIO()
    save(stream, *arrays, **named)
    return stream.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"codes", b"PK\x03\x04"),
        saved(np.save, np.arange(3)),
        saved(np.savez, ids=["a", "b"], ends=[1], codes=[0], num_codes=2),
        saved(np.savez, ids=["a"], ends=1, codes=[0], num_codes=2),
    ],
)
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / "codes.npz").write_bytes(content)
    with pytest.raises(InputError, match="not codes of a teacher"):
        CodeFile(tmp_path / "codes.npz")
