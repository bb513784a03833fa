"""How bad a day the demo backend has: which share of its answers fail, how long they take, and until when.

Owns the mood, how it is told and how it is set while the backend runs. What fails is the answer to a whole request,
whatever its path; health checks and the mood itself are spared.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass

from aiohttp import web
from aiohttp.typedefs import Handler

from sidecar.demo.query import number

MAX_SLOW = 60.0
_MAX_FOR = 600.0
_DEFAULT_FOR = 30.0
_SPARED = ("/chaos", "/healthz", "/livez")


@dataclass(frozen=True, slots=True)
class Mood:
    """`flaky`: the share of answers that are 503. `slow`: each answer waits anything from 0 to so many seconds."""

    flaky: float = 0.0
    slow: float = 0.0


class Chaos:
    """The mood now: the usual one, or another that was set for a while.

    `pause` waits so many seconds, `clock` tells the time in seconds.
    """

    def __init__(
        self,
        usual: Mood,
        rng: random.Random,
        pause: Callable[[float], Awaitable[None]],
        clock: Callable[[], float],
    ) -> None:
        self._usual = self._set = usual
        self._until = 0.0
        self._rng = rng
        self._pause = pause
        self._clock = clock

    @property
    def mood(self) -> Mood:
        """The one in force."""
        return self._set if self._clock() < self._until else self._usual

    @web.middleware
    async def around(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answers a request late, or instead of its handler, as the mood has it."""
        mood = self.mood
        if request.path in _SPARED:
            return await handler(request)
        if mood.slow:
            await self._pause(self._rng.uniform(0, mood.slow))
        if mood.flaky and self._rng.random() < mood.flaky:
            return web.json_response({"ok": False, "flaky": mood.flaky}, status=503)
        return await handler(request)

    async def tell(self, _request: web.Request) -> web.Response:
        """The mood, and how long it lasts where it is not the usual one."""
        left = max(0.0, self._until - self._clock())
        return web.json_response({**asdict(self.mood), "seconds_left": round(left, 1)})

    async def change(self, request: web.Request) -> web.Response:
        """Another mood for a while: what heals by itself cannot be forgotten."""
        flaky = number(request, "flaky", self._usual.flaky, 1.0)
        slow = number(request, "slow", self._usual.slow, MAX_SLOW)
        lasting = number(request, "for", _DEFAULT_FOR, _MAX_FOR)
        self._set, self._until = Mood(flaky, slow), self._clock() + lasting
        return await self.tell(request)
