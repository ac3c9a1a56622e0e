"""End when the user or the system asks for it, between two steps."""

import signal
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn, TypeVar

Item = TypeVar("Item")

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, what a system sends before it kills, and a terminal that is closed."""


@contextmanager
def signals_undo() -> Iterator[None]:
    """Let SIGTERM and SIGHUP undo what is half done, as Ctrl-C does.

    By themselves they would end the process at once, and leave unfinished files and
    processes of its own behind. The second one does. Those that are ignored, as by
    ``nohup``, stay so. Only the main thread may call it.

    >>> import os
    >>> with signals_undo():
    ...     os.kill(os.getpid(), signal.SIGTERM)
    Traceback (most recent call last):
    ...
    SystemExit: 143
    """
    # Python has its own for Ctrl-C
    numbers = [each for each in ENDING if signal.getsignal(each) is signal.SIG_DFL]

    def leave(number: int, frame: FrameType | None) -> NoReturn:
        restore()
        raise SystemExit(128 + number)

    def restore() -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)

    for number in numbers:
        signal.signal(number, leave)
    try:
        yield
    finally:
        restore()


class _Stopped(Exception):
    """Leaves what waits for an item."""


def until_stopped(items: Iterable[Item]) -> Generator[Item, None, None]:
    """Pass items on until a signal of `ENDING`; close it to have these work as before.

    The signal ends the wait for an item, and not what is done with one. Only the main
    thread may call it.
    """
    waits = is_stopped = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal is_stopped
        is_stopped = True
        if waits:
            raise _Stopped

    before = {
        number: signal.signal(number, stop)
        for number in ENDING
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    source = iter(items)
    try:
        while True:
            # set before it is asked: a signal between the two would wait for an item
            waits = True
            if is_stopped:
                return
            try:
                item = next(source)
            except StopIteration:
                return
            waits = False
            yield item
    except _Stopped:
        return
    finally:
        waits = False
        for number, handler in before.items():
            signal.signal(number, handler)
