"""What commands write: results to a file or stdout, all else to stderr."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from pathlib import Path
from typing import TextIO, TypeVar

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from lact_modules.cli.terminal.standard_streams import ESCAPE
from lact_modules.errors import InputError
from lact_modules.whole_file import whole_file

Item = TypeVar("Item")

STDOUT = Path("-")

_SECONDS_BETWEEN_LINES = 60


@contextmanager
def open_output(path: Path | None) -> Iterator[TextIO]:
    """Open a file that appears when it is complete, or stdout for None and ``-``.

    It holds UTF-8; file names that are not UTF-8 stay as they are. After an exception,
    neither the file is left nor a folder that was made for it.
    """
    if path is None or path == STDOUT:
        yield sys.stdout
        return
    made = make_folder(path)
    try:
        with (
            whole_file(path) as unfinished,
            open(unfinished, "w", encoding="utf-8", errors=ESCAPE) as stream,
        ):
            yield stream
    finally:
        # without the file they hold nothing
        for folder in made if not path.exists() else ():
            folder.rmdir()


def make_folder(path: Path) -> list[Path]:
    """Make the folders of a file; return those that were missing, innermost first."""
    missing = [folder for folder in path.parents if not folder.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{path}: its folder cannot be made ({error.strerror}); name another output"
        ) from error
    return missing


@contextmanager
def open_report(path: Path | None) -> Iterator[TextIO | None]:
    """Open a file for a report beside what a command prints; None without a path.

    With ``-``, stdout is the report's alone, and all else that is printed goes to
    stderr.
    """
    if path is None:
        yield None
        return
    with open_output(path) as stream, ExitStack() as stack:
        if path == STDOUT:
            stack.enter_context(redirect_stdout(sys.stderr))
        yield stream


def print_table(table: Table) -> None:
    """Print a table on stdout, no word cut; on a narrow terminal lines are longer."""
    console = Console()
    for column in table.columns:
        column.min_width = max(
            console.measure(cell).minimum for cell in (column.header, *column.cells)
        )
    console.print(table, crop=False)


def show_progress(
    items: Iterable[Item], description: str, total: int
) -> Iterator[Item]:
    """Pass items on; a terminal sees a bar on stderr meanwhile."""
    with progress_bar(description, total) as advance:
        for item in items:
            yield item
            advance(1)


def now_and_then() -> Callable[[Callable[[], str]], None]:
    """Make a function that prints a line on stderr each minute without a terminal.

    It is called often, with what makes the line when it is time.
    """
    last = time.monotonic()

    def print_if_due(line: Callable[[], str]) -> None:
        nonlocal last
        is_due = time.monotonic() - last >= _SECONDS_BETWEEN_LINES
        if is_due and not Console(stderr=True).is_terminal:
            print(line(), file=sys.stderr, flush=True)
            last = time.monotonic()

    return print_if_due


@contextmanager
def progress_bar(description: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar on a terminal's stderr; call the result with newly done items."""
    console = Console(stderr=True)
    # Redirecting stdout, as rich does, would mix results into stderr.
    bar = Progress(
        console=console,
        transient=True,
        redirect_stdout=False,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task(description, total=total)
        yield lambda number: bar.advance(task, number)
