"""Clients of `lact-asr serve` that die, send garbage, too much, or do not read."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

SECOND = bytes(32000)
"""Of silence."""


async def die(connection: Any, limit_s: float) -> None:
    """Send a second, then vanish without a word."""
    await connection.send(SECOND)
    connection.transport.abort()


async def send_garbage(connection: Any, limit_s: float) -> None:
    """Send half a sample."""
    await connection.send(SECOND)
    await connection.send(b"abc")
    await _wait_for_closing(connection)


async def send_too_much(connection: Any, limit_s: float) -> None:
    """Send a message of 3 MiB."""
    await connection.send(bytes(3 << 20))
    await _wait_for_closing(connection)


async def read_nothing(connection: Any, limit_s: float) -> None:
    """Send on and on, as fast as the server takes it."""
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(_send_on(connection), limit_s)
    connection.transport.abort()


async def _send_on(connection: Any) -> None:
    while True:
        await connection.send(SECOND)


async def _wait_for_closing(connection: Any) -> None:
    async for _ in connection:
        pass


Wave = Callable[[Any, float], Awaitable[None]]
WAVES: dict[str, Wave] = {
    "killed": die,
    "garbage": send_garbage,
    "oversize": send_too_much,
    "slow": read_nothing,
}


async def send_wave(wave: Wave, url: str, num_clients: int, limit_s: float) -> None:
    """Let clients err at the same time; each ends in at most so many seconds.

    Arguments
    ---------
    wave : Wave
        What each does.
    url : str
        Of the WebSocket.
    num_clients : int
        How many.
    limit_s : float
        For those that never end by themselves.
    """
    await asyncio.gather(*(_run(wave, url, limit_s) for _ in range(num_clients)))


async def _run(wave: Wave, url: str, limit_s: float) -> None:
    place = urlsplit(url)
    raw = socket.socket()
    # what the kernel keeps for a client that does not read is soon full
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.connect((place.hostname, place.port))
    options = {"compression": None, "ping_interval": None, "close_timeout": 1.0}
    # that the server closes is what is wanted
    with contextlib.suppress(ConnectionClosed, OSError):
        async with connect(url, sock=raw, max_queue=1, **options) as connection:
            await wave(connection, limit_s)
