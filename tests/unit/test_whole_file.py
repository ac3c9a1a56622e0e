import pytest

from lact_modules.whole_file import whole_file


def test_what_fails_leaves_what_was_there(tmp_path):
    path = tmp_path / "out.txt"
    path.write_text("before")
    with pytest.raises(OSError, match="full"), whole_file(path) as unfinished:
        unfinished.write_text("half")
        raise OSError("disk full")
    assert [each.name for each in tmp_path.iterdir()] == ["out.txt"]
    assert path.read_text() == "before"


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
