"""Standard streams that take any text and any file name, and end without noise."""

import codecs
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

ESCAPE = "lact_asr.escape"
"""Of bytes in file names that are not UTF-8, and of what nothing else can hold."""


@contextmanager
def standard_streams() -> Iterator[None]:
    """Let stdin and stdout hold any text, and check that the output is written.

    Files and pipes get UTF-8 in every locale, and file names byte by byte as
    they are. A terminal keeps its encoding, and shows what it lacks by numbers.

    >>> with standard_streams():
    ...     print("né")
    né
    """
    _prepare(sys.stdin)
    _prepare(sys.stdout)
    try:
        yield
    finally:
        _flush()


def _prepare(stream: TextIO) -> None:
    if not isinstance(stream, io.TextIOWrapper):
        return
    if stream.isatty():
        stream.reconfigure(errors="backslashreplace")
    else:
        stream.reconfigure(encoding="utf-8", errors=ESCAPE)


def _flush() -> None:
    try:
        sys.stdout.flush()
    except OSError as error:
        # Python would try again at its end, and complain
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            sys.exit(1)
        raise


def _escape(error: UnicodeError) -> tuple[str | bytes, int]:
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeError:
        return codecs.backslashreplace_errors(error)


codecs.register_error(ESCAPE, _escape)
