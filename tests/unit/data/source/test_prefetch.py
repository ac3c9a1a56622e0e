import threading
from itertools import count
from threading import Event

import pytest

from lact_modules.data.source.prefetch import prefetch


def test_items_keep_their_order_and_none_is_lost():
    assert [*prefetch(iter(range(1000)))] == [*range(1000)]
    assert [*prefetch(range(1000), most=7)] == [*range(1000)]
    assert [*prefetch([])] == []


def test_the_next_item_is_got_while_one_is_used():
    is_got = [Event() for _ in range(4)]

    def items():
        for number, event in enumerate(is_got):
            event.set()
            yield number

    for number in prefetch(items()):
        assert number == 3 or is_got[number + 1].wait(timeout=20)
        # and not the one after it
        assert number > 1 or not is_got[number + 2].wait(timeout=0.05)


def test_weights_bound_what_waits():
    num_got = 0

    def items():
        nonlocal num_got
        for number in count():
            num_got = number + 1
            yield number

    ahead = prefetch(items(), most=10, weigh=lambda number: 4)
    for taken in range(1, 20):
        next(ahead)
        # two of weight 4 wait, and the one that brings them above 10
        assert num_got <= taken + 3
    ahead.close()


def test_what_raises_between_items_raises_there():
    def items():
        yield 1
        raise ZeroDivisionError

    ahead = prefetch(items(), most=5)
    assert next(ahead) == 1
    with pytest.raises(ZeroDivisionError):
        next(ahead)


def test_no_thread_remains():
    before = set(threading.enumerate())
    ahead = prefetch(count(), most=3)
    next(ahead)
    others = set(threading.enumerate()) - before
    assert len(others) == 1
    ahead.close()
    for thread in others:
        thread.join(timeout=20)
        assert not thread.is_alive()
