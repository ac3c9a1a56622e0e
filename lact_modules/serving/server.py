"""Put the application on a socket."""

import logging
import socket

import uvicorn
from starlette.applications import Starlette

from lact_modules.errors import InputError
from lact_modules.serving.http import ImpatientHTTP
from lact_modules.serving.limits import Limits

SEND_BUFFER_BYTES = 1 << 15
RECEIVE_BUFFER_BYTES = 1 << 16
"""About two seconds of audio, before the kernel's doubling."""
SPARE_CONNECTIONS = 64
"""Pages being loaded, and clients being refused."""


def open_socket(host: str, port: int, limits: Limits) -> socket.socket:
    """Listen at an address; port 0 takes a free one."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, *_, place = found[0]
        listener = socket.create_server(place[:2], family=family)
    except OSError as error:
        advice = "give another --host or --port"
        # Python's own text names the address again
        reason = str(error.strerror).partition(" (while")[0]
        raise InputError(f"{host}:{port}: {reason}; {advice}") from error
    # What waits in the kernel is memory too, and hides that somebody does not read.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        # ends connections that were closed here but whose peer never reads the rest
        patience_ms = round(2000 * limits.send_seconds)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, patience_ms)
    return listener


def address(listener: socket.socket) -> str:
    """Return the URL of a socket, IPv4 or IPv6, for a browser."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def make_server(app: Starlette, limits: Limits) -> uvicorn.Server:
    """Set up uvicorn; its `run` takes the sockets."""
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    config = uvicorn.Config(
        app,
        loop="asyncio",
        http=ImpatientHTTP,
        ws="websockets-sansio",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        # somewhat more is read, so that the session can send why it closes
        ws_max_size=2 * limits.max_frame_bytes,
        # samples do not shrink
        ws_per_message_deflate=False,
        # A pong waits behind the audio that is not read yet: busy is not dead.
        ws_ping_interval=None,
        timeout_keep_alive=limits.request_seconds,
        limit_concurrency=limits.max_clients + SPARE_CONNECTIONS,
        timeout_graceful_shutdown=5,
    )
    return uvicorn.Server(config)


def _is_news(record: logging.LogRecord) -> bool:
    # text that is not UTF-8 closes its session, with an error of one line
    return not (record.exc_info and record.exc_info[0] is UnicodeDecodeError)
