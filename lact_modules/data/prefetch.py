"""Get items in a thread while those before them are used."""

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from threading import Lock
from typing import TypeVar

Item = TypeVar("Item")


def prefetch(
    items: Iterable[Item],
    most: float = 1,
    weigh: Callable[[Item], float] = lambda item: 1,
) -> Generator[Item, None, None]:
    """Pass items on in their order; the next ones are got meanwhile.

    What raises between two items raises there. Who closes it, or is interrupted, does
    not wait for the item that is being got.

    Arguments
    ---------
    items : Iterable[Item]
        Asked from one other thread, while what waits to be taken weighs less than
        `most`.
    most : float
        Above 0.
    weigh : Callable[[Item], float]
        Gives an item's weight, not negative.

    Yields
    ------
    Item
        Each of them.

    Example
    -------
    >>> [*prefetch(range(4))]
    [0, 1, 2, 3]
    """
    iterator, lock = iter(items), Lock()
    ready: SimpleQueue[tuple[Item, None] | tuple[None, BaseException]] = SimpleQueue()
    # a thread that never waits: at the interpreter's end there is nobody to wake it
    pool = ThreadPoolExecutor(1)
    weight, is_getting = 0.0, True

    def get() -> None:
        nonlocal weight, is_getting
        try:
            item = next(iterator)
        except BaseException as error:
            ready.put((None, error))
            return
        with lock:
            weight += weigh(item)
            is_getting = goes_on = weight < most
        ready.put((item, None))
        if goes_on:
            pool.submit(get)

    try:
        pool.submit(get)
        while True:
            item, error = ready.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            with lock:
                weight -= weigh(item)
                starts = not is_getting and weight < most
                is_getting |= starts
            if starts:
                pool.submit(get)
            yield item
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
