"""Get items in a thread while those before them are used."""

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from threading import Lock
from typing import TypeVar

Item = TypeVar("Item")


def prefetch(
    items: Iterable[Item],
    most: float = 1,
    weigh: Callable[[Item], float] = lambda item: 1,
) -> Generator[Item, None, None]:
    """Pass items on in their order; one other thread gets the next ones meanwhile.

    It asks for more while what waits to be taken weighs less than `most`. What raises
    between two items raises there. Closing or interrupting it does not wait for the
    item in progress.
    """
    iterator, lock = iter(items), Lock()
    ready: SimpleQueue[Future[Item]] = SimpleQueue()
    # a thread that never waits: when the interpreter exits, nothing would wake it
    pool = ThreadPoolExecutor(1)
    weight, is_getting = 0.0, True

    def get() -> None:
        nonlocal weight, is_getting
        found: Future[Item] = Future()
        try:
            item = next(iterator)
        except BaseException as error:
            found.set_exception(error)
            ready.put(found)
            return
        found.set_result(item)
        with lock:
            weight += weigh(item)
            is_getting = has_room = weight < most
        ready.put(found)
        if has_room:
            pool.submit(get)

    try:
        pool.submit(get)
        while True:
            try:
                item = ready.get().result()
            except StopIteration:
                return
            with lock:
                weight -= weigh(item)
                starts = not is_getting and weight < most
                is_getting |= starts
            if starts:
                pool.submit(get)
            yield item
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
