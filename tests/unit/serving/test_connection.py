"""A client that does not read is given up, also where the kernel would wait."""

import asyncio

import pytest

from lact_modules.serving.connection import Connection
from lact_modules.serving.protocol import Closed


class Stuck:
    """A WebSocket whose peer reads nothing."""

    async def send_text(self, text):
        await asyncio.sleep(60)

    async def close(self, code, reason):
        await asyncio.sleep(60)


def test_an_answer_that_is_not_read_ends_the_connection():
    with pytest.raises(Closed, match="answers were not read") as caught:
        asyncio.run(Connection(Stuck(), 0.01).send({"type": "partial"}))
    assert (caught.value.code, caught.value.by_client) == (1008, False)


def test_nor_does_closing_wait():
    asyncio.run(Connection(Stuck(), 0.01).close(Closed(1008, "slow")))


class Gone:
    """A WebSocket whose peer is no more."""

    async def send_text(self, text):
        raise OSError


def test_nothing_is_sent_to_a_client_that_has_gone():
    with pytest.raises(Closed) as caught:
        asyncio.run(Connection(Gone(), 1.0).send({"type": "partial"}))
    assert caught.value.by_client
    asyncio.run(Connection(Gone(), 1.0).close(caught.value))
