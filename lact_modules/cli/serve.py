"""``lact-asr serve``: streaming recognition in the browser."""

import contextlib
import importlib.util
import ipaddress
import logging
from typing import Annotated
from urllib.parse import urlsplit

import typer

from lact_modules.cli.option import groups, options
from lact_modules.cli.option.grouped import grouped
from lact_modules.cli.option.live import load_recognizer
from lact_modules.errors import InputError

NEEDED = ("starlette", "uvicorn", "websockets")


@grouped
def serve(
    model: options.Model,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0: all interfaces.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port; 0: a free one.")
    ] = 8000,
    *,
    streaming: groups.Streaming,
    max_clients: Annotated[
        int, typer.Option(min=1, help="Most streams at a time.")
    ] = 8,
    max_minutes: Annotated[
        float, typer.Option(min=0.01, help="Longest duration of a stream in minutes.")
    ] = 60.0,
    threads: Annotated[
        int | None,
        typer.Option(
            min=1, help="Threads that recognize streams; by default one per core."
        ),
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(
            help="Address at which browsers reach this server through a proxy, such "
            "as https://asr.example.org. May be repeated.",
            metavar="URL",
        ),
    ] = None,
    exit_block: options.ExitBlock = None,
    search: groups.StreamSearch,
    compute: groups.Compute,
) -> None:
    """Serve a page that transcribes the microphone or a file as it streams.

    Neither audio nor text is written to disk.
    """
    _check_packages()
    origins = [_check_origin(url) for url in allow_origin or ()]

    import torch

    from lact_modules.serving.app import create_app
    from lact_modules.serving.limits import Limits
    from lact_modules.serving.server import address, make_server, open_socket

    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.WARNING)
    limits = Limits(max_clients, 60 * max_minutes)
    with open_socket(host, port, limits) as listener:
        recognizer = load_recognizer(model, streaming, exit_block, search, compute)
        num_threads = threads or torch.get_num_threads()
        app = create_app(recognizer, limits, origins, num_threads)
        if not ipaddress.ip_address(listener.getsockname()[0]).is_loopback:
            typer.echo(
                "Others can reach this server: no login, no encryption.", err=True
            )
        print(f"{address(listener)} (Ctrl-C ends)", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            make_server(app, limits).run(sockets=[listener])


def _check_packages() -> None:
    for name in NEEDED:
        if importlib.util.find_spec(name) is None:
            raise InputError(f"serve: needs {name}; pip install 'lact-asr[serve]'")


def _check_origin(url: str) -> str:
    parts = urlsplit(url.lower())
    origin = f"{parts.scheme}://{parts.netloc}"
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or parts.username is not None
        or url.lower().rstrip("/") != origin
    ):
        raise InputError(
            f"--allow-origin {url}: not a site's address; give one such as "
            "https://asr.example.org"
        )
    return origin
