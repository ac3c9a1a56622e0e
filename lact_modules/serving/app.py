"""The web application: a page, a WebSocket, and the clients at a time."""

import logging
from collections.abc import AsyncIterator, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import torch
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from lact_modules.data.audio import SAMPLE_RATE
from lact_modules.inference.streaming import StreamingRecognizer
from lact_modules.serving.connection import Connection
from lact_modules.serving.guard import Guard
from lact_modules.serving.limits import Limits
from lact_modules.serving.page import page_routes
from lact_modules.serving.protocol import CloseCode, Closed, Message
from lact_modules.serving.recognition import Recognition
from lact_modules.serving.session import Session

logger = logging.getLogger(__name__)

ORDINARY = (
    *(CloseCode.NORMAL, CloseCode.GOING_AWAY, CloseCode.NONE),
    *(CloseCode.LOST, CloseCode.RESTART),
)
"""Normal ends of a session, which are not logged."""


class Service:
    """Clients that share a model and some threads.

    Each client has its own fork of the recognizer; the audio of ``num_threads`` is
    recognized at the same time, each on one core.
    """

    def __init__(
        self, recognizer: StreamingRecognizer, limits: Limits, num_threads: int
    ):
        self.limits = limits
        self.num_clients = 0
        self._recognizer = recognizer
        self._num_served = 0
        # more threads within an operation would only wait for one another
        self._workers = ThreadPoolExecutor(
            num_threads, "recognizer", initializer=torch.set_num_threads, initargs=(1,)
        )

    async def serve(self, websocket: WebSocket) -> None:
        """Serve a client from before its connection is accepted to its end."""
        await websocket.accept()
        connection = Connection(websocket, self.limits.send_seconds)
        if self.num_clients >= self.limits.max_clients:
            reason = f"all {self.limits.max_clients} places are taken; try again later"
            await self._close(connection, Closed(CloseCode.FULL, reason))
            return
        self.num_clients += 1
        try:
            closed = await self._listen(connection)
        finally:
            self.num_clients -= 1
        await self._close(connection, closed)

    def shut_down(self) -> None:
        """Let the threads end."""
        self._workers.shutdown(wait=False, cancel_futures=True)

    async def _listen(self, connection: Connection) -> Closed:
        recognition = Recognition(self._recognizer.fork())
        session = Session(connection, recognition, self._workers, self.limits)
        try:
            await connection.send(self._greeting())
            return await session.run()
        except Closed as closed:
            return closed
        except Exception:
            logger.exception("client %d: the recognizer failed", self._num_served + 1)
            return Closed(CloseCode.FAILED, "the recognizer failed")

    async def _close(self, connection: Connection, closed: Closed) -> None:
        self._num_served += 1
        if closed.code not in ORDINARY:
            # %r: the client may have chosen the reason
            number, code = self._num_served, int(closed.code)
            logger.warning("client %d: closed, %d %r", number, code, closed.reason)
        await connection.close(closed)

    def _greeting(self) -> Message:
        return {
            "type": "ready",
            "sample_rate": SAMPLE_RATE,
            "max_seconds": self.limits.max_seconds,
        }


def create_app(
    recognizer: StreamingRecognizer,
    limits: Limits | None = None,
    origins: Collection[str] = (),
    num_threads: int = 1,
) -> Starlette:
    """Make the application; nothing it serves is written to a file.

    The page is at ``/``, streams at ``/stream``, and counts at ``/status``. ``origins``
    are further addresses by which the server is known.
    """
    service = Service(recognizer, limits or Limits(), num_threads)

    async def status(request: Request) -> JSONResponse:
        counts = {
            "clients": service.num_clients,
            "max_clients": service.limits.max_clients,
        }
        return JSONResponse(counts)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        service.shut_down()

    routes = [
        *page_routes(),
        Route("/status", status),
        WebSocketRoute("/stream", service.serve),
    ]
    guard = Middleware(Guard, origins=frozenset(origins))
    return Starlette(routes=routes, middleware=[guard], lifespan=lifespan)
