"""A WebSocket with limits of time and a reason for its end."""

import contextlib

import anyio
from starlette.websockets import WebSocket, WebSocketDisconnect

from lact_modules.serving.protocol import CloseCode, Closed, Message, encode


class Connection:
    """Receive and send; a client must read an answer within ``send_seconds``."""

    def __init__(self, websocket: WebSocket, send_seconds: float):
        self._websocket = websocket
        self.send_seconds = send_seconds

    async def receive(self) -> bytes | str:
        """Return samples or a command; raise `Closed` if client or server leaves."""
        event = await self._websocket.receive()
        if event["type"] == "websocket.disconnect":
            code = event.get("code") or CloseCode.NONE
            raise Closed(code, event.get("reason") or "", by_client=True)
        frame = event.get("bytes")
        return event["text"] if frame is None else frame

    async def send(self, message: Message) -> None:
        """Send a message as JSON; raise `Closed` if the client does not read it."""
        try:
            with anyio.fail_after(self.send_seconds):
                await self._websocket.send_text(encode(message))
        except TimeoutError as error:
            reason = f"answers were not read for {self.send_seconds:g} s"
            raise Closed(CloseCode.LIMIT, reason) from error
        except (WebSocketDisconnect, OSError, RuntimeError) as error:
            raise Closed(CloseCode.LOST, by_client=True) from error

    async def close(self, closed: Closed) -> None:
        """Send the client the reason, then close."""
        if closed.by_client:
            return
        # the client may have gone meanwhile, or may not read
        with contextlib.suppress(Closed, OSError, RuntimeError):
            if closed.code != CloseCode.NORMAL:
                await self.send({"type": "error", "message": closed.reason})
            with anyio.fail_after(self.send_seconds):
                await self._websocket.close(closed.code, closed.reason)
