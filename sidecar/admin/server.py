"""The admin's HTTP server: views behind the guard, on sockets that somebody else has bound.

Owns how an error is told and that nothing here is cached. Knows no signal and no phase.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from sidecar.admin import callers
from sidecar.admin.callers import Callers
from sidecar.admin.debug import DebugViews
from sidecar.admin.event_stream import EventStream
from sidecar.admin.guard import Guard, Refusal
from sidecar.admin.subject import Subject
from sidecar.admin.views import Views, problem

_LOG = logging.getLogger("sidecar.admin")
_CLOSE_WAIT = 0.5  # a POST /drain?wait that is being answered gets this long; a hung client of ours gets no longer

_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'",
}


class AdminServer:
    """Serves the views of one subject. `start` with bound sockets, `close` when all else is closed."""

    def __init__(self, subject: Subject, *, loopback: bool, token: str | None = None) -> None:
        self._guard = Guard(loopback=loopback, token=token)
        self._subject = subject
        self._stream = EventStream(subject)
        self._callers = Callers()
        self._doors: list[asyncio.Server] = []
        self._runner: web.AppRunner | None = None

    def application(self) -> web.Application:
        """The views behind the guard, for a server of the caller's."""
        application = web.Application(middlewares=[self._shield], client_max_size=1 << 20)
        application.add_routes(Views(self._subject, self._stream).routes())
        application.add_routes(DebugViews(self._subject).routes())
        application.on_response_prepare.append(_harden)
        return application

    @property
    def is_serving(self) -> bool:
        """Whether it has been started and not closed."""
        return self._runner is not None

    def guard_by(self, *, loopback: bool, token: str | None) -> None:
        """Admit by these terms from now on."""
        self._guard = Guard(loopback=loopback, token=token)

    async def start(self, sockets: Sequence[socket.socket]) -> None:
        """Serve on sockets that are bound; they are closed with the server."""
        # Whoever asked for a minute's profile and leaves ends it. Verbs go on behind the view that waited for them.
        runner = self._runner = web.AppRunner(
            self.application(),
            access_log=None,
            shutdown_timeout=_CLOSE_WAIT,
            handler_cancellation=True,
            keepalive_timeout=callers.IDLE_SECONDS,
            logger=callers.log(),
            auto_decompress=False,  # no view reads a body; a small one must not become a large one
        )
        await runner.setup()
        assert runner.server is not None  # noqa: S101 - that is what setup has made
        self._callers.of(runner.server)
        loop = asyncio.get_running_loop()
        for one in sockets:
            self._doors.append(await loop.create_server(self._callers.connection, sock=one))

    async def close(self) -> None:
        """Stop serving; an answer under way is finished."""
        self._stream.close()
        doors, self._doors = self._doors, []
        for door in doors:
            door.close()
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    @web.middleware
    async def _shield(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        try:
            self._guard.check(request)
            with self._callers.answering(request.protocol):
                answer = await handler(request)
        except Refusal as refusal:
            answer = problem(refusal.status, refusal.sentence)
            if refusal.status == 401:
                answer.headers["WWW-Authenticate"] = "Bearer"
        except web.HTTPException as error:
            answer = problem(error.status, _sentence(error))
            if "Allow" in error.headers:
                answer.headers["Allow"] = error.headers["Allow"]
        except Exception:  # noqa: BLE001 - a fault of one view must not end the connection without an answer
            _LOG.exception("admin could not answer %s", request.path)
            answer = problem(500, "this could not be answered; the log says why")
        return answer


async def _harden(_request: web.Request, answer: web.StreamResponse) -> None:
    """What every answer carries, one that is streamed too."""
    for name, value in _HEADERS.items():
        answer.headers.setdefault(name, value)


def _sentence(error: web.HTTPException) -> str:
    if error.status == 404:
        return "there is no such page; GET /help names those there are"
    if error.status == 405:
        return "not with this method; GET /help names those there are"
    return error.text or error.reason
