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
