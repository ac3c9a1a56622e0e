"""Connections that send nothing, or send slowly, leave room for others."""

import contextlib
import json
import socket
import time
from urllib.parse import urlsplit

import pytest

from lact_modules.serving.server import SPARE_CONNECTIONS

REQUEST = b"GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n"
UNFINISHED = b"POST /status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n"


@pytest.fixture
def connect():
    """Return connections to a server that send nothing by themselves."""
    with contextlib.ExitStack() as opened:

        def open_one(server):
            address = urlsplit(server.url)
            place = (address.hostname, address.port)
            one = opened.enter_context(socket.create_connection(place, timeout=10))
            one.settimeout(0.05)
            return one

        yield open_one


def is_closed(connection):
    try:
        while connection.recv(4096):
            pass
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


def test_connections_without_a_whole_request_are_closed(run_server, connect):
    sent = {
        "nothing": (b"", b""),
        "slowly, byte by byte": (b"GET /", b"a"),
        "nothing after an answer": (REQUEST, b""),
        "slowly after an answer": (REQUEST + b"GET /", b"a"),
        "an endless body": (UNFINISHED, b"a"),
    }
    with run_server(request_seconds=1) as server:
        started = time.monotonic()
        open_ones = {name: connect(server) for name in sent}
        for name, (first, _) in sent.items():
            open_ones[name].sendall(first)
        while open_ones:
            assert time.monotonic() - started < 4, f"open: {[*open_ones]}"
            for name, connection in [*open_ones.items()]:
                if is_closed(connection):
                    assert time.monotonic() - started > 0.5
                    del open_ones[name]
                else:
                    with contextlib.suppress(OSError):
                        connection.sendall(sent[name][1])


def test_requests_are_answered_however_many_are_silent(run_server, connect, samples):
    limits = {"max_clients": 2, "request_seconds": 60}
    with run_server(**limits) as server, server.client() as client:
        silent = [connect(server) for _ in range(2 * SPARE_CONNECTIONS)]
        assert json.loads(server.get("status")[1])["clients"] == 1
        # those that have waited longest make room, and nobody who is served
        assert is_closed(silent[0])
        assert not is_closed(silent[-1])
        client.send(samples[:8000])
        assert client.finish()[-1]["type"] == "end"
        for each in silent:
            each.close()


def test_streams_that_were_closed_make_room_too(run_server, samples):
    """Their clients could hold them for as long as uvicorn waits for an answer."""
    with run_server(max_clients=2) as server, server.client() as client:
        silent = [server.raw_client() for _ in range(2 * SPARE_CONNECTIONS)]
        assert json.loads(server.get("status")[1])["clients"] <= 2
        client.send(samples[:8000])
        assert client.finish()[-1]["type"] == "end"
        for each in silent:
            each.kill()
