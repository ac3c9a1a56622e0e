"""Answers between the recognizer and the socket."""

import asyncio
from collections import deque

from lact_modules.serving.protocol import Message


class Outbox:
    """A bounded queue in which any later message replaces a partial text.

    A client that reads slowly misses partial texts, and nothing else. From
    ``max_messages`` on, `put` waits.

    >>> async def pass_on():
    ...     outbox = Outbox(max_messages=2)
    ...     for number in range(3):
    ...         await outbox.put({"type": "partial", "number": number})
    ...     await outbox.put({"type": "end"})
    ...     return await outbox.get()
    >>> asyncio.run(pass_on())
    {'type': 'end'}
    """

    def __init__(self, max_messages: int):
        self.max_messages = max_messages
        self._waiting: deque[Message] = deque()
        self._changed = asyncio.Condition()

    async def put(self, message: Message) -> None:
        """Add a message, once there is room."""
        async with self._changed:
            if self._waiting and self._waiting[-1]["type"] == "partial":
                self._waiting.pop()
            await self._changed.wait_for(lambda: len(self._waiting) < self.max_messages)
            self._waiting.append(message)
            self._changed.notify_all()

    async def get(self) -> Message:
        """Return the oldest message, once there is one."""
        async with self._changed:
            await self._changed.wait_for(lambda: bool(self._waiting))
            message = self._waiting.popleft()
            self._changed.notify_all()
            return message
