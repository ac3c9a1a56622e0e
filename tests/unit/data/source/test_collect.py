from pathlib import Path

import pytest

from lact_modules.data.source.collect import collect_audio
from lact_modules.errors import InputError


@pytest.fixture
def folder(tmp_path):
    for name in ("b.wav", "a/2.FLAC", "a/1.opus", "a/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_folders_are_searched_and_order_is_kept(folder):
    found = collect_audio(["z.xyz", str(folder), "y.mp3"])
    names = ["a/1.opus", "a/2.FLAC", "b.wav"]
    assert found == [Path("z.xyz"), *(folder / n for n in names), Path("y.mp3")]


def test_a_list_may_name_folders(folder):
    listed = iter([f"{folder}/a\n", "\n", "my file.wav\n"])
    assert [path.name for path in collect_audio(["-"], listed)] == [
        "1.opus",
        "2.FLAC",
        "my file.wav",
    ]


def test_nothing_to_do(folder):
    (folder / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty: no audio below"):
        collect_audio([str(folder / "empty")])
    with pytest.raises(InputError, match="no audio files"):
        collect_audio(["-"], listed=[])
