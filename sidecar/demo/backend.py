"""A backend to look at the proxy with: it answers, streams, waits, fails and talks WebSocket on demand.

Owns its routes and their limits. Knows nothing of the proxy in front of it: it is as foreign as any backend.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import time
from collections.abc import AsyncIterator, Callable

from aiohttp import WSMsgType, web

from sidecar.demo.chaos import Chaos, Mood
from sidecar.demo.query import number
from sidecar.model.address import Address

LOOPBACK = Address("127.0.0.1", 0)
_MAX_SECONDS = 60.0
_MAX_BYTES = 1 << 30
_MAX_ITEMS = 10_000
_CHUNK = bytes(range(256)) * 256
_NO_BODY = {204, 205, 304}

_INDEX = {
    "service": "sidecar demo backend",
    "try": [
        "/echo",
        "/echo/raw",
        "/stream?lines=5",
        "/events?count=5",
        "/slow?seconds=2",
        "/flaky?ratio=0.3",
        "/chaos",
        "/status/503",
        "/bytes/1048576",
        "/ws",
    ],
}


class Backend:
    """The demo backend on a socket of its own, in the caller's loop.

    `rng` decides which requests fail; seed it to decide which. `usual` is how it is until somebody sets otherwise.
    """

    def __init__(self, rng: random.Random | None = None, usual: Mood | None = None) -> None:
        self._rng = rng or random.Random()  # noqa: S311 - which requests fail is no secret
        self._chaos = Chaos(usual or Mood(), self._rng, self._pause, time.monotonic)
        self._runner: web.AppRunner | None = None
        self._closing = asyncio.Event()
        self.port = 0

    @property
    def url(self) -> str:
        """Where it listens, once started."""
        return f"http://127.0.0.1:{self.port}"

    def application(self) -> web.Application:
        """The routes alone, for a server of the caller's."""
        application = web.Application(client_max_size=8 << 20, middlewares=[self._chaos.around])
        application.on_response_prepare.append(_signed)
        application.router.add_get("/", _index)
        application.router.add_get("/healthz", _healthy)
        application.router.add_get("/livez", _healthy)
        application.router.add_get("/chaos", self._chaos.tell)
        application.router.add_post("/chaos", self._chaos.change)
        application.router.add_route("*", "/echo", _echo)
        application.router.add_route("*", "/echo/raw", _echo_raw)
        application.router.add_get("/stream", self._stream)
        application.router.add_get("/events", self._events)
        application.router.add_route("*", "/slow", self._slow)
        application.router.add_route("*", "/flaky", self._flaky)
        application.router.add_route("*", "/status/{code}", _status)
        application.router.add_get("/bytes/{count}", _bytes)
        application.router.add_get("/ws", _websocket)
        return application

    async def start(self, at: Address = LOOPBACK) -> None:
        """Listen; port 0 takes a free one, no host means every interface. OSError when that cannot be."""
        listening = None if at.path is not None else _bound(at)
        # aiohttp's default, 60 s of waiting for open streams, would outlive the drain of the proxy in front.
        self._runner = web.AppRunner(
            self.application(), access_log=None, shutdown_timeout=0.5, handler_cancellation=True
        )
        await self._runner.setup()
        if listening is None:
            await web.UnixSite(self._runner, str(at.path)).start()
            return
        self.port = listening.getsockname()[1]
        await web.SockSite(self._runner, listening).start()

    async def close(self) -> None:
        """Stop listening; streams that wait between two pieces end at once."""
        self._closing.set()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _pause(self, seconds: float) -> None:
        """Wait, but not past the close of the backend."""
        if seconds <= 0:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            pass

    async def _slow(self, request: web.Request) -> web.Response:
        seconds = number(request, "seconds", 1.0, _MAX_SECONDS)
        await self._pause(seconds)
        return web.json_response({"waited_seconds": seconds})

    async def _flaky(self, request: web.Request) -> web.Response:
        ratio = number(request, "ratio", 0.3, 1.0)
        if self._rng.random() < ratio:
            return web.json_response({"ok": False, "failing_ratio": ratio}, status=503)
        return web.json_response({"ok": True, "failing_ratio": ratio})

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        count, every = _pieces(request, "lines", 5)
        return await _send(request, "text/plain", self._every(count, every, lambda n: f"line {n}\n"))

    async def _events(self, request: web.Request) -> web.StreamResponse:
        count, every = _pieces(request, "count", 5)
        pieces = self._every(count, every, lambda n: f'id: {n}\nevent: tick\ndata: {{"n": {n}}}\n\n')
        return await _send(request, "text/event-stream", pieces)

    async def _every(self, count: int, seconds: float, text: Callable[[int], str]) -> AsyncIterator[bytes]:
        for place in range(1, count + 1):
            if place > 1:
                await self._pause(seconds)
            if self._closing.is_set():
                return
            yield text(place).encode()


def _bound(at: Address) -> socket.socket:
    if not at.host and socket.has_dualstack_ipv6():
        return socket.create_server(("", at.port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server((at.host, at.port), family=socket.AF_INET6 if ":" in at.host else socket.AF_INET)


async def _signed(_request: web.Request, answer: web.StreamResponse) -> None:
    """Among several backends, who answered: a container's host name is its own."""
    answer.headers["X-Backend"] = socket.gethostname()


async def _index(_request: web.Request) -> web.Response:
    return web.json_response(_INDEX)


async def _healthy(_request: web.Request) -> web.Response:
    return web.Response(text="ok\n")


async def _echo(request: web.Request) -> web.Response:
    """The request told back: what the proxy made of it is what is worth seeing."""
    body = await request.read()
    told = {
        "method": request.method,
        "target": request.raw_path,
        "headers": [[name, value] for name, value in request.headers.items()],
        "body": body.decode(errors="replace"),
        "bytes": len(body),
    }
    return web.json_response(told, dumps=_pretty)


async def _echo_raw(request: web.Request) -> web.StreamResponse:
    """The body back as it comes, chunk by chunk, of any size."""
    kind = request.headers.get("Content-Type", "application/octet-stream")
    answer = web.StreamResponse(headers={"Content-Type": kind})
    await answer.prepare(request)
    async for data in request.content.iter_any():
        await answer.write(data)
    await answer.write_eof()
    return answer


async def _status(request: web.Request) -> web.Response:
    text = request.match_info["code"]
    if not text.isascii() or not text.isdigit() or not 200 <= int(text) <= 599:
        raise web.HTTPBadRequest(text=f"{text} is not a status from 200 to 599\n")
    code = int(text)
    if code in _NO_BODY:
        return web.Response(status=code)
    return web.json_response({"status": code}, status=code)


async def _bytes(request: web.Request) -> web.StreamResponse:
    text = request.match_info["count"]
    if not text.isascii() or not text.isdigit() or int(text) > _MAX_BYTES:
        raise web.HTTPBadRequest(text=f"write a number of bytes from 0 to {_MAX_BYTES}\n")
    left = int(text)
    answer = web.StreamResponse(headers={"Content-Type": "application/octet-stream", "Content-Length": text})
    await answer.prepare(request)
    while left > 0:
        await answer.write(_CHUNK[:left])
        left -= len(_CHUNK)
    await answer.write_eof()
    return answer


async def _websocket(request: web.Request) -> web.WebSocketResponse:
    channel = web.WebSocketResponse(timeout=1.0)
    await channel.prepare(request)
    async for message in channel:
        if message.type is WSMsgType.TEXT:
            await channel.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await channel.send_bytes(message.data)
    return channel


async def _send(request: web.Request, kind: str, pieces: AsyncIterator[bytes]) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"Content-Type": kind, "Cache-Control": "no-store"})
    await answer.prepare(request)
    async for piece in pieces:
        await answer.write(piece)
    await answer.write_eof()
    return answer


def _pieces(request: web.Request, name: str, default: int) -> tuple[int, float]:
    return int(number(request, name, default, _MAX_ITEMS)), number(request, "every", 0.5, _MAX_SECONDS)


def _pretty(value: object) -> str:
    return json.dumps(value, indent=2) + "\n"
