import errno
import os

import pytest

from lact_modules.errors import InputError
from lact_modules.whole_file import whole_file, whole_folder


def test_what_fails_leaves_what_was_there(tmp_path):
    path = tmp_path / "out.txt"
    path.write_text("before")
    with pytest.raises(OSError, match="full"), whole_file(path) as unfinished:
        unfinished.write_text("half")
        raise OSError("disk full")
    assert [each.name for each in tmp_path.iterdir()] == ["out.txt"]
    assert path.read_text() == "before"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no full disk here")
def test_a_full_disk_is_named_by_the_file(tmp_path):
    path = tmp_path / "out.txt"
    with pytest.raises(OSError) as caught, whole_file(path) as unfinished:
        unfinished.symlink_to("/dev/full")
        unfinished.write_text("half")
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename == str(path)
    assert not any(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_named_as_it_was_given(tmp_path):
    path = tmp_path / "missing" / "out.txt"
    with pytest.raises(OSError) as caught, whole_file(path) as unfinished:
        unfinished.write_text("half")
    assert caught.value.filename == str(path)


def test_two_that_write_the_same_file_do_not_mix(tmp_path):
    path = tmp_path / "out.txt"
    with whole_file(path) as first, open(first, "w") as slow:
        slow.write("slow and ")
        slow.flush()
        with whole_file(path) as second:
            second.write_text("fast")
        assert path.read_text() == "fast"
        slow.write("long")
    assert path.read_text() == "slow and long"
    assert [each.name for each in tmp_path.iterdir()] == ["out.txt"]


def test_an_earlier_folder_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "out"
    for name in ("a.txt", "b.txt"):
        with whole_folder(path, replace=True) as unfinished:
            (unfinished / name).touch()
        assert [each.name for each in path.iterdir()] == [name]
    with pytest.raises(KeyboardInterrupt), whole_folder(path, replace=True):
        raise KeyboardInterrupt
    assert [each.name for each in path.iterdir()] == ["b.txt"]
    assert [each.name for each in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("replace", [True, False])
def test_what_is_no_folder_is_never_replaced_by_one(tmp_path, replace):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    (tmp_path / "file").touch()
    for name in ("link", "file"):
        with (
            pytest.raises(InputError, match=f"{name}: exists"),
            whole_folder(tmp_path / name, replace=replace),
        ):
            pytest.fail("was begun")
    assert len(list(tmp_path.iterdir())) == 3


def test_an_earlier_folder_is_not_lost_with_the_new_one(tmp_path):
    path = tmp_path / "out"
    path.mkdir()
    (path / "a.txt").touch()
    with pytest.raises(OSError), whole_folder(path, replace=True) as unfinished:
        unfinished.rmdir()
    assert [*tmp_path.rglob("*")] == [path, path / "a.txt"]
