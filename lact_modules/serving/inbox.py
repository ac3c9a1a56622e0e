"""Audio between the socket and the recognizer."""

import asyncio


class Inbox:
    """A bounded queue of bytes, taken in pieces of any size.

    From ``max_bytes`` on, `put` waits.
    """

    def __init__(self, max_bytes: int):
        self.max_bytes = max_bytes
        self._waiting = bytearray()
        self._has_ended = False
        self._has_room = asyncio.Event()
        self._has_news = asyncio.Event()
        self._has_room.set()

    def __len__(self) -> int:
        return len(self._waiting)

    async def put(self, piece: bytes) -> None:
        """Add a piece, once there is room, which it may exceed."""
        await self._has_room.wait()
        self._waiting += piece
        self._update()

    def end(self) -> None:
        """Mark the end of the audio."""
        self._has_ended = True
        self._update()

    async def take(self, max_bytes: int) -> bytes:
        """Return up to ``max_bytes``, once there are any; none at the end."""
        await self._has_news.wait()
        piece = bytes(self._waiting[:max_bytes])
        del self._waiting[:max_bytes]
        self._update()
        return piece

    def _update(self) -> None:
        _set(self._has_room, len(self._waiting) < self.max_bytes)
        _set(self._has_news, bool(self._waiting) or self._has_ended)


def _set(event: asyncio.Event, value: bool) -> None:
    if value:
        event.set()
    else:
        event.clear()
