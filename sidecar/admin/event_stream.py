"""`GET /events`: what changes state, as server-sent events (WHATWG HTML, section 9.2), to everyone who looks.

Owns who listens, how much waits for a slow reader, and the signs of life between two events. Nothing here is waited for
by whoever tells an event.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

from aiohttp import web

from sidecar.admin.subject import Subject

_TYPE = "text/event-stream"
# Proxies and browsers give an idle connection up after a minute or less; and a reader that left is noticed so.
_HEARTBEAT = 15.0
# A browser that lost us comes back after so many milliseconds, and says what it saw last.
_RETRY = b"retry: 1000\n\n"
_WAITING = 512
# Who takes nothing for so long keeps its place from others, and perhaps for ever.
_PATIENCE = 15.0
_READERS = 64

Told = Mapping[str, object]


class EventStream:
    """The readers of one subject's events. `close` ends every stream."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._readers: set[asyncio.Queue[Told | None]] = set()

    def close(self) -> None:
        """End every stream, whatever its reader does."""
        for waiting in self._readers:
            _end(waiting)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Tell the kept events, those after `Last-Event-ID` alone where it says so, and then each as it comes."""
        if len(self._readers) >= _READERS:
            raise web.HTTPServiceUnavailable(text=f"{_READERS} readers follow the events already")
        answer = web.StreamResponse(headers={"Content-Type": _TYPE, "X-Accel-Buffering": "no"})
        if request.method == "HEAD":
            return answer
        waiting: asyncio.Queue[Told | None] = asyncio.Queue(_WAITING)
        # Before what is kept is read: nothing may fall between the two.
        leave = self._subject.follow_events(lambda told: _put(waiting, told))
        self._readers.add(waiting)
        try:
            kept = [told for told in self._subject.events() if _number(told["id"]) > _last_seen(request)]
            await answer.prepare(request)
            kept.sort(key=lambda told: _number(told["id"]))
            await _write(request, answer, _RETRY + b"".join(map(_framed, kept)))
            await self._follow(request, answer, waiting)
        except ConnectionResetError:
            pass  # the reader has left
        finally:
            leave()
            self._readers.discard(waiting)
        return answer

    async def _follow(
        self, request: web.Request, answer: web.StreamResponse, waiting: asyncio.Queue[Told | None]
    ) -> None:
        while True:
            try:
                async with asyncio.timeout(_HEARTBEAT):
                    told = await waiting.get()
            except TimeoutError:
                await _write(request, answer, b": \n\n")
                continue
            if told is None:
                return
            await _write(request, answer, _framed(told))


async def _write(request: web.Request, answer: web.StreamResponse, piece: bytes) -> None:
    """Raises ConnectionResetError where the reader has left, or takes nothing any more."""
    try:
        async with asyncio.timeout(_PATIENCE):
            await answer.write(piece)
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError from None


def _put(waiting: asyncio.Queue[Told | None], told: Told) -> None:
    try:
        waiting.put_nowait(told)
    except asyncio.QueueFull:
        _end(waiting)  # who reads so slowly comes back for what it has missed


def _end(waiting: asyncio.Queue[Told | None]) -> None:
    while not waiting.empty():
        waiting.get_nowait()
    waiting.put_nowait(None)


def _framed(told: Told) -> bytes:
    return f"id: {told['id']}\ndata: {json.dumps(told)}\n\n".encode()


def _last_seen(request: web.Request) -> int:
    seen = request.headers.get("Last-Event-ID", "")
    return int(seen) if seen.isascii() and seen.isdecimal() and len(seen) < 20 else -1


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
