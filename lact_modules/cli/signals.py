"""End a loop when the user or the system says so, and not in the middle of a step."""

import signal
from collections.abc import Generator, Iterable
from types import FrameType
from typing import TypeVar

Item = TypeVar("Item")


class _Stopped(Exception):
    """Leaves what waits for an item."""


def until_stopped(items: Iterable[Item]) -> Generator[Item, None, None]:
    """Pass items on until Ctrl-C or SIGTERM; close it to have these work as before.

    The signal ends the wait for an item, and not what is done with one. Only the main
    thread may call it.

    Arguments
    ---------
    items : Iterable[Item]
        They may take long to come.

    Yields
    ------
    Item
        Each of them.
    """
    waits = is_stopped = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal is_stopped
        is_stopped = True
        if waits:
            raise _Stopped

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, stop) for number in numbers}
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
