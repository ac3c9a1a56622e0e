"""Files that appear when they are whole."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lact_modules.errors import InputError


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Give the place to write a file at that a reader never sees half of.

    After an exception nothing is left of it, and what stood there before is still
    there.

    Arguments
    ---------
    path : str | Path
        File to write or replace; its folder exists.

    Yields
    ------
    Path
        Beside it, with ``.part`` behind its name.

    Raises
    ------
    InputError
        If the path is not that of a regular file.

    Example
    -------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "out.txt"
    >>> with whole_file(path) as unfinished:
    ...     _ = unfinished.write_text("ONE")
    >>> [each.name for each in path.parent.iterdir()]
    ['out.txt']
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: not a regular file; name another output")
    unfinished = path.with_name(path.name + ".part")
    try:
        yield unfinished
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
