import gzip

import pytest

from lact_modules.data.text.sentences import read_lines
from lact_modules.errors import InputError


@pytest.mark.parametrize("unpack", [open, gzip.open])
def test_lines_without_blank_ones_and_margins(tmp_path, unpack):
    path = tmp_path / ("text.txt.gz" if unpack is gzip.open else "text.txt")
    with unpack(path, "wb") as stream:
        stream.write("\ufeffONE TWO\r\n\n \t\n  ÉTÉ\nTEN".encode())
    assert list(read_lines(path)) == ["ONE TWO", "ÉTÉ", "TEN"]


def test_lines_are_read_as_they_are_needed(tmp_path):
    path = tmp_path / "text.txt"
    path.write_bytes(b"ONE\n" * 100_000 + b"\xff\n")
    lines = read_lines(path)
    assert [next(lines) for _ in range(100)] == ["ONE"] * 100
    with pytest.raises(InputError, match=r"text\.txt: not UTF-8"):
        list(lines)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"text\.txt: no such text"):
        list(read_lines(tmp_path / "text.txt"))


@pytest.mark.parametrize("damage", [lambda packed: packed[:-9], lambda _: b"ONE TWO"])
def test_a_damaged_archive_is_named(tmp_path, damage):
    path = tmp_path / "text.txt.gz"
    path.write_bytes(damage(gzip.compress(b"ONE TWO\n" * 100)))
    with pytest.raises(InputError, match=r"text\.txt\.gz: not packed by gzip"):
        list(read_lines(path))
