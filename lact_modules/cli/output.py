"""What commands write: results to a file or stdout, all else to stderr."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from pathlib import Path
from typing import TextIO, TypeVar

from rich.console import Console
from rich.progress import Progress

from lact_modules.cli.standard_streams import ESCAPE
from lact_modules.errors import InputError

Item = TypeVar("Item")

STDOUT = Path("-")


@contextmanager
def open_output(path: Path | None) -> Iterator[TextIO]:
    """Open a file that appears when it is complete, or stdout.

    Arguments
    ---------
    path : Path | None
        File to write or replace; stdout if None, or ``-``.

    Yields
    ------
    TextIO
        UTF-8 text; file names that are not UTF-8 stay as they are. After an exception
        nothing is left of the file.

    Raises
    ------
    InputError
        If the folder is missing, or the path is not that of a regular file.

    Example
    -------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "out.txt"
    >>> with open_output(path) as stream:
    ...     _ = stream.write("ONE")
    >>> path.read_text()
    'ONE'
    """
    if path is None or path == STDOUT:
        yield sys.stdout
        return
    if not path.parent.is_dir():
        raise InputError(f"{path}: its folder does not exist; make it first")
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: not a regular file; name another output")
    unfinished = path.with_name(path.name + ".part")
    try:
        with open(unfinished, "w", encoding="utf-8", errors=ESCAPE) as stream:
            yield stream
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def open_report(path: Path | None) -> Iterator[TextIO | None]:
    """Open a file for what a command tells its user too.

    Arguments
    ---------
    path : Path | None
        See `open_output`. With ``-``, stdout is the report's alone, and all else that
        is printed goes to stderr.

    Yields
    ------
    TextIO | None
        None if there is no path.

    Raises
    ------
    InputError
        As `open_output`.

    Example
    -------
    >>> with open_report(Path("-")) as stream:
    ...     _ = stream.write("{}")
    ...     print("for the terminal")
    {}
    """
    if path is None:
        yield None
        return
    with open_output(path) as stream, ExitStack() as stack:
        if path == STDOUT:
            stack.enter_context(redirect_stdout(sys.stderr))
        yield stream


def show_progress(
    items: Iterable[Item], description: str, total: int
) -> Iterator[Item]:
    """Pass items on; a terminal sees a bar on stderr meanwhile.

    Arguments
    ---------
    items : Iterable[Item]
        What is being worked on.
    description : str
        Left of the bar.
    total : int
        Number of items.

    Yields
    ------
    Item
        Each of the items.
    """
    console = Console(stderr=True)
    # Redirecting stdout, as rich does, would mix results into stderr.
    bar = Progress(
        console=console,
        transient=True,
        redirect_stdout=False,
        disable=not console.is_terminal,
    )
    with bar:
        yield from bar.track(items, total, description=description)
