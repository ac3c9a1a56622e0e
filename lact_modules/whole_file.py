"""Files and folders that appear when they are whole."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from lact_modules.errors import InputError


def unfinished_name(path: Path) -> Path:
    """Name a place beside a file or folder where it can be made.

    Arguments
    ---------
    path : Path
        What is to appear.

    Returns
    -------
    Path
        Ends in ``.part``; of several processes that make the same, each has its own.

    Example
    -------
    >>> unfinished_name(Path("out.txt"))
    PosixPath('out.txt....part')
    """
    return path.with_name(f"{path.name}.{uuid4().hex[:8]}.part")


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Yield a path to write to; readers of the file never see half of it.

    After an exception nothing is left of it, and what stood there before is still
    there.

    Arguments
    ---------
    path : str | Path
        File to write or replace; its folder exists.

    Yields
    ------
    Path
        Beside it, see `unfinished_name`.

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
    unfinished = unfinished_name(path)
    try:
        with _named(path):
            yield unfinished
            os.replace(unfinished, path)
    finally:
        # where nothing can be written, nothing can be removed; an error says so already
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)


def write_whole(path: str | Path, text: str) -> None:
    """Write or replace a file of UTF-8 that a reader never sees half of.

    Arguments
    ---------
    path : str | Path
        As `whole_file` takes it.
    text : str
        All of it.

    Raises
    ------
    InputError
        As `whole_file` does.

    Example
    -------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "out.txt"
    >>> write_whole(path, "ONE")
    >>> path.read_text()
    'ONE'
    """
    with whole_file(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


@contextmanager
def whole_folder(path: str | Path, replace: bool = False) -> Iterator[Path]:
    """Yield a folder to fill that a reader never sees half full.

    After an exception nothing is left of it, and an earlier one is still there.

    Arguments
    ---------
    path : str | Path
        Folder to make; an empty one may be there.
    replace : bool
        Whether any folder may be there, to be deleted.

    Yields
    ------
    Path
        Beside it, see `unfinished_name`; the folders above it are made.

    Raises
    ------
    InputError
        If there is something at the path.

    Example
    -------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "out"
    >>> with whole_folder(path) as unfinished:
    ...     _ = (unfinished / "a.txt").write_text("ONE")
    >>> [each.name for each in path.parent.rglob("*")]
    ['out', 'a.txt']
    """
    path = Path(path)
    is_folder = path.is_dir() and not path.is_symlink()
    may_be_there = is_folder and (replace or not any(path.iterdir()))
    if os.path.lexists(path) and not may_be_there:
        raise InputError(f"{path}: exists; remove it or name another output folder")
    earlier = unfinished_name(path)
    with folder_beside(path) as unfinished:
        yield unfinished
        try:
            # to delete it takes long enough to be interrupted, to rename it does not
            if replace and path.exists():
                os.replace(path, earlier)
            os.replace(unfinished, path)
        finally:
            # what could not be put there leaves the place to the earlier one
            if earlier.exists() and not path.exists():
                os.replace(earlier, path)
            shutil.rmtree(earlier, ignore_errors=True)


@contextmanager
def folder_beside(path: Path) -> Iterator[Path]:
    """Yield a folder beside a path, made with its parents, and deleted afterwards."""
    unfinished = unfinished_name(path)
    try:
        with _named(path):
            unfinished.mkdir(parents=True)
            yield unfinished
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Name the file of an error: that of a full disk has no file name, others have."""
    try:
        yield
    except OSError as error:
        name = os.fsdecode(error.filename or "")
        if error.errno and (not name or name.endswith(".part")):
            error.filename, error.filename2 = str(path), None
        raise
