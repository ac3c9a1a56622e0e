"""The files of the page, read once."""

from collections.abc import Awaitable, Callable
from importlib import resources

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

MEDIA_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
INDEX = "index.html"


def page_routes() -> list[Route]:
    """Return a route to each file of the page; the start page is at ``/`` too."""
    routes = []
    for file in resources.files("lact_modules.serving").joinpath("page").iterdir():
        suffix = file.name[file.name.rfind(".") :]
        if suffix in MEDIA_TYPES:
            answer = _answer(file.read_bytes(), MEDIA_TYPES[suffix])
            routes.append(Route(f"/{file.name}", answer))
            if file.name == INDEX:
                routes.append(Route("/", answer))
    return routes


def _answer(
    content: bytes, media_type: str
) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        return Response(content, media_type=media_type)

    return answer
