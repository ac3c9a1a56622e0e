"""Keep the pages of other sites away from a server on the user's own machine.

A browser lets any page open a WebSocket to any host, and names the page's site in
`Origin`. A site may also point its own name at 127.0.0.1 (DNS rebinding); then `Host`
bears that name. Requests are served if `Host` cannot be a stranger's, and `Origin`, if
there is one, is this server.
"""

import ipaddress
import logging
import socket
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger(__name__)

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; "
    "style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
"""With every answer: only what this server sends is run, shown or connected to."""


def is_own_page(host: str, origin: str | None, origins: Collection[str] = ()) -> bool:
    """Return whether a request comes from this server's page, or from no page at all.

    Browsers send the header `Origin` with every WebSocket. ``origins`` are further
    addresses by which this server is known, behind a proxy for instance.

    >>> is_own_page("localhost:8000", "http://localhost:8000")
    True
    >>> is_own_page("localhost:8000", "https://other.example")
    False
    >>> is_own_page("rebound.example:8000", "http://rebound.example:8000")
    False
    """
    names = {urlsplit(each).hostname for each in origins}
    names |= {"localhost", socket.gethostname().lower()}
    name = _host_name(host)
    if name not in names and not _is_address(name):
        return False
    if origin is None or origin in origins:
        return True
    scheme, _, place = origin.lower().partition("://")
    return scheme in ("http", "https") and place == host.lower()


class Guard:
    """ASGI middleware: refuse what other sites send, fence the page in."""

    def __init__(self, app: ASGIApp, origins: Collection[str] = ()):
        self._app = app
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or answer it with 403."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")

        async def send_fenced(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        if is_own_page(host, origin, self._origins):
            await self._app(scope, receive, send_fenced)
            return
        # %r: what a stranger sends must not look like lines of its own
        logger.warning("refused: origin %r, host %r", origin, host)
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
            return
        text = "Not known by this address; the option --allow-origin adds one.\n"
        await PlainTextResponse(text, 403)(scope, receive, send_fenced)


def _host_name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _is_address(name: str | None) -> bool:
    try:
        ipaddress.ip_address(name or "")
    except ValueError:
        return False
    return True
