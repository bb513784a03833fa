"""The dashboard's files: what `GET /` and `GET /dashboard/NAME` answer with. Read from the package, once each."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from aiohttp import web

_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


async def index(_request: web.Request) -> web.Response:
    """The page."""
    return _answer("index.html")


async def part(request: web.Request) -> web.Response:
    """A file that the page asks for; 404 for any other."""
    name = request.match_info["name"]
    if name not in _parts():
        raise web.HTTPNotFound
    return _answer(name)


def _answer(name: str) -> web.Response:
    return web.Response(body=_read(name), content_type=_TYPES[name.rpartition(".")[2]], charset="utf-8")


@cache
def _parts() -> frozenset[str]:
    here = files("sidecar.admin").joinpath("dashboard")
    return frozenset(one.name for one in here.iterdir() if one.name.rpartition(".")[2] in _TYPES)


@cache
def _read(name: str) -> bytes:
    return files("sidecar.admin").joinpath("dashboard", name).read_bytes()
