"""Keep what C and C++ libraries print off the terminal."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def native_stderr_hidden() -> Iterator[None]:
    """Hold back what is written past ``sys.stderr``, to the process's own.

    Example
    -------
    >>> with native_stderr_hidden():
    ...     _ = os.write(2, b"a library's progress report")
    """
    stderr = os.dup(2)
    with open(os.devnull, "wb") as sink:
        os.dup2(sink.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
