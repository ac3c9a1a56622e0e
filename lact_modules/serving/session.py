"""One client: its audio, its recognizer, its answers."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor

import anyio

from lact_modules.data.audio import SAMPLE_RATE
from lact_modules.data.media.pcm import BYTES_PER_SAMPLE
from lact_modules.data.media.pipe import name_kind
from lact_modules.serving.connection import Connection
from lact_modules.serving.inbox import Inbox
from lact_modules.serving.limits import Limits
from lact_modules.serving.outbox import Outbox
from lact_modules.serving.protocol import END, CloseCode, Closed, Message
from lact_modules.serving.recognition import Recognition

BYTES_PER_SECOND = SAMPLE_RATE * BYTES_PER_SAMPLE
MAX_UNSENT = 8
PIECE_BYTES = BYTES_PER_SECOND
"""Audio recognized in one go; then it is another client's turn."""


class Session:
    """Read, recognize and answer at the same time, each no faster than the next.

    When the recognizer is behind, its queue is full, reading pauses, and the client's
    own socket fills up. When the client does not read, partial texts are skipped, then
    the recognizer pauses, then the client is closed.
    """

    def __init__(
        self,
        connection: Connection,
        recognition: Recognition,
        workers: Executor,
        limits: Limits,
    ):
        self._connection = connection
        self._recognition = recognition
        self._workers = workers
        self._limits = limits
        self._inbox = Inbox(int(limits.queue_seconds * BYTES_PER_SECOND))
        self._outbox = Outbox(MAX_UNSENT)
        self._ending = Closed(CloseCode.NORMAL)

    async def run(self) -> Closed:
        """Serve the client until it or the server closes; return the reason."""
        works = (self._read(), self._recognize(), self._send())
        tasks = [asyncio.ensure_future(work) for work in works]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for task in tasks:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        errors = [each for each in outcomes if isinstance(each, Exception)]
        for error in errors:
            if not isinstance(error, Closed):
                raise error
        return next(each for each in errors if isinstance(each, Closed))

    async def _read(self) -> None:
        """Queue the audio until it ends, then wait until the client goes."""
        self._ending = await self._queue_audio()
        self._inbox.end()
        while True:
            await self._connection.receive()

    async def _queue_audio(self) -> Closed:
        """Queue audio to its end; return the reason: the client's `end`, or a limit."""
        limits, now = self._limits, asyncio.get_running_loop().time
        too_long = Closed(
            CloseCode.LIMIT, f"a stream may last {limits.max_seconds / 60:g} minutes"
        )
        deadline = now() + limits.max_seconds
        whole = room = int(limits.max_seconds * SAMPLE_RATE) * BYTES_PER_SAMPLE
        while True:
            patience = min(limits.idle_seconds, deadline - now())
            try:
                with anyio.fail_after(patience):
                    message = await self._connection.receive()
            except TimeoutError:
                if now() >= deadline:
                    return too_long
                reason = f"nothing came for {limits.idle_seconds:g} s"
                return Closed(CloseCode.LIMIT, reason)
            if isinstance(message, str):
                _check_command(message)
                return Closed(CloseCode.NORMAL)
            _check_samples(message, limits.max_frame_bytes)
            if room == whole:
                _check_is_no_file(message)
            await self._inbox.put(message[:room])
            if len(message) > room:
                return too_long
            room -= len(message)

    async def _recognize(self) -> None:
        while piece := await self._inbox.take(PIECE_BYTES):
            await self._answer(self._recognition.accept, piece)
        await self._answer(self._recognition.finish)
        await self._outbox.put(self._recognition.summary())

    async def _answer(self, work: Callable[..., list[Message]], *given: bytes) -> None:
        loop = asyncio.get_running_loop()
        for message in await loop.run_in_executor(self._workers, work, *given):
            await self._outbox.put(message)

    async def _send(self) -> None:
        while True:
            message = await self._outbox.get()
            await self._connection.send(message)
            if message["type"] == "end":
                raise self._ending


def _check_command(text: str) -> None:
    if text != END:
        raise Closed(CloseCode.NOT_UNDERSTOOD, f"text that is not {END!r}")


def _check_samples(frame: bytes, max_bytes: int) -> None:
    if len(frame) > max_bytes:
        raise Closed(CloseCode.TOO_LARGE, f"a message may have {max_bytes} bytes")
    if len(frame) % BYTES_PER_SAMPLE:
        raise Closed(CloseCode.NOT_SAMPLES, "odd number of bytes: not 16-bit samples")


def _check_is_no_file(frame: bytes) -> None:
    """Refuse a file, whose bytes would pass for samples."""
    if kind := name_kind(frame):
        raise Closed(
            CloseCode.NOT_SAMPLES,
            f"a file ({kind}): send its samples, 16-bit at {SAMPLE_RATE} Hz, mono",
        )
