"""Text files: sentences, one a line, as they are needed, or all at once."""

import codecs
import gzip
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from lact_modules.errors import InputError

# the longer marks begin with the shorter ones
_MARKED = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def read_lines(path: str | Path) -> Iterator[str]:
    """Read the stripped lines, not blank, of a text file of any length.

    UTF-8 text, packed by gzip if its name ends in ``.gz``; UTF-16 and UTF-32 too, with
    a byte-order mark.
    """
    with _text_opened(path, None) as stream:
        yield from filter(None, map(str.strip, stream))


def read_text(path: str | Path) -> str:
    """Read a whole text file, as `read_lines`; ends of lines stay as they are.

    A byte-order mark at its beginning goes.
    """
    with _text_opened(path, "") as stream:
        return stream.read()


@contextmanager
def _text_opened(path: str | Path, newline: str | None) -> Iterator[TextIO]:
    """Open a text file, packed or not; its faults are the user's."""
    path = Path(path)
    if not os.path.isfile(path):
        raise InputError(f"{path}: no such text file")
    unpack = gzip.open if path.suffix == ".gz" else open
    try:
        with unpack(path, "rb") as raw:
            encoding = _find_encoding(raw.read(4))
        with unpack(path, "rt", encoding=encoding, newline=newline) as stream:
            yield stream
    except UnicodeError as error:
        raise InputError(
            f"{path}: not UTF-8 text ({error}); save it as UTF-8"
        ) from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{path}: not packed by gzip, or cut off ({error})") from error


def _find_encoding(head: bytes) -> str:
    for mark, encoding in _MARKED.items():
        if head.startswith(mark):
            return encoding
    # the mark that some editors begin a file with is no text
    return "utf-8-sig"
