"""Sentences of text files, one a line, as they are needed."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

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
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such text file")
    unpack = gzip.open if path.suffix == ".gz" else open
    try:
        # the mark that some editors begin a file with is no text
        with unpack(path, "rt", encoding="utf-8-sig") as stream:
            yield from filter(None, map(str.strip, stream))
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error})") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{path}: not packed by gzip, or cut off ({error})") from error
