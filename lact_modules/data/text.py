"""Text files: sentences, one a line, as they are needed, or all at once."""

import gzip
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from lact_modules.errors import InputError


def read_lines(path: str | Path) -> Iterator[str]:
    r"""Read the lines of a text file; memory does not grow with it.

    Arguments
    ---------
    path : str | Path
        UTF-8 text, packed by gzip if its name ends in ``.gz``.

    Yields
    ------
    str
        Each line that is not blank, without white space around it.

    Raises
    ------
    InputError
        If the file is missing, is not text, or is packed and damaged.

    Example
    -------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "text.txt.gz"
    >>> with gzip.open(path, "wt") as stream:
    ...     print("ONE TWO", "", " TEN", sep="\n", file=stream)
    >>> list(read_lines(path))
    ['ONE TWO', 'TEN']
    """
    with _text_opened(path, None) as stream:
        yield from filter(None, map(str.strip, stream))


def read_text(path: str | Path) -> str:
    r"""Read a whole text file.

    Arguments
    ---------
    path : str | Path
        As for `read_lines`.

    Returns
    -------
    str
        Without a mark of byte order at its beginning; ends of lines stay as they are.

    Raises
    ------
    InputError
        As `read_lines`.

    Example
    -------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "text.txt"
    >>> _ = path.write_bytes(b"\xef\xbb\xbfONE\r\nTWO")
    >>> read_text(path)
    'ONE\r\nTWO'
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
        # the mark that some editors begin a file with is no text
        with unpack(path, "rt", encoding="utf-8-sig", newline=newline) as stream:
            yield stream
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error})") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{path}: not packed by gzip, or cut off ({error})") from error
