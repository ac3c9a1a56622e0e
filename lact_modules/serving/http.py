"""HTTP with limits for clients that send nothing, or send it slowly."""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import (
    WebSocketsSansIOProtocol,
)


class ImpatientHTTP(H11Protocol):
    """Close connections on which no whole request comes.

    uvicorn has no time limit for the first request of a connection, and for every byte
    of a later one. Here it has uvicorn's ``timeout_keep_alive`` from the beginning, or
    from the answer before, to the end of a request's head. Where connections come near
    ``limit_concurrency``, the one that has waited longest makes room for another, so
    that requests are answered however many connections are silent.
    """

    def connection_made(  # type: ignore[override]
        self, transport: asyncio.Transport
    ) -> None:
        """Begin to wait for a request."""
        self._make_room()
        super().connection_made(transport)
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def data_received(self, data: bytes) -> None:
        """Read on; the wait is over with a whole head, and not with any bytes."""
        self.conn.receive_data(data)
        self.handle_events()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting, also where a connection was broken."""
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def _make_room(self) -> None:
        # those that are being closed are gone before a request is read
        left = [each for each in self.connections if not each.transport.is_closing()]
        # this connection is counted when its request is
        if len(left) + 1 < (self.limit_concurrency or float("inf")):
            return
        waits = {each: timer.when() for each in left if (timer := _end_of(each))}
        if waits:
            min(waits, key=waits.__getitem__).transport.abort()


def _end_of(connection: asyncio.Protocol) -> asyncio.TimerHandle | None:
    """Return the timer of a connection that has no request, or that was closed."""
    if isinstance(connection, H11Protocol):
        return connection.timeout_keep_alive_task
    if isinstance(connection, WebSocketsSansIOProtocol):
        return connection.close_timer
    return None
