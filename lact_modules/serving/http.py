"""HTTP for clients that may say nothing, or say it slowly."""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol


class ImpatientHTTP(H11Protocol):
    """Close connections on which no whole request comes.

    uvicorn gives a connection all the time for its first request, and for every byte
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
        # this connection is counted when its request is
        if len(self.connections) + 1 < (self.limit_concurrency or float("inf")):
            return
        waits = {
            each: each.timeout_keep_alive_task.when()
            for each in self.connections
            if isinstance(each, H11Protocol) and each.timeout_keep_alive_task
        }
        if waits:
            oldest = min(waits, key=waits.__getitem__)
            oldest.timeout_keep_alive_handler()
            self.connections.discard(oldest)
