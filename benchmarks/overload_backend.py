"""A backend with a true capacity: `python -m benchmarks.overload_backend PORT PLACES MEAN SIGMA SEED`.

It works on PLACES requests at once, each for MEAN seconds on average (lognormal, SIGMA), so it does PLACES / MEAN
requests a second and no more. The rest waits in line, without bound, first come first served; and it finishes what it
was asked for although the caller has gone, since a server that computes an answer learns of that when it writes it.

Paths: `/job` waits its turn, `/ready` answers at once, `/pace/F` makes each later request take F times as long,
`/state` tells what was done so far, as JSON.
"""

import asyncio
import json
import math
import random
import sys
from collections import deque
from collections.abc import Sequence
from typing import Generic, TypeVar, cast

import uvloop

_BODY = b"x" * 1024
_HEAD = "HTTP/1.1 {} \r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n"

Asker = TypeVar("Asker")


class Line(Generic[Asker]):
    """The places and the line in front of them; knows no clock. A place goes on to the next request at the instant it
    was due to end the last one: a wake-up that comes late does not cost capacity."""

    __slots__ = ("_free", "_random", "_scale", "_sigma", "pace", "waiting")

    def __init__(self, places: int, mean: float, sigma: float, seed: int) -> None:
        self._free = places
        self._random = random.Random(seed)
        self._scale = math.log(mean) - sigma * sigma / 2
        self._sigma = sigma
        self.pace = 1.0
        self.waiting: deque[Asker] = deque()

    def arrive(self, now: float, asker: Asker) -> float | None:
        """When this request will be done; None when it has to wait for a place."""
        if not self._free:
            self.waiting.append(asker)
            return None
        self._free -= 1
        return now + self._takes()

    def done(self, end: float) -> tuple[Asker, float] | None:
        """A place has ended its work at `end`: who has it now, and when that one will be done."""
        if not self.waiting:
            self._free += 1
            return None
        return self.waiting.popleft(), end + self._takes()

    def _takes(self) -> float:
        return self.pace * self._random.lognormvariate(self._scale, self._sigma)


class Backend:
    """What all connections share."""

    __slots__ = ("_line", "_loop", "answered", "arrived", "wasted")

    def __init__(self, line: "Line[Connection]", loop: asyncio.AbstractEventLoop) -> None:
        self._line = line
        self._loop = loop
        self.arrived = 0
        self.answered = 0
        self.wasted = 0

    def take(self, connection: "Connection", path: str) -> None:
        """One request."""
        if path == "/job":
            self.arrived += 1
            now = self._loop.time()
            end = self._line.arrive(now, connection)
            if end is not None:
                self._loop.call_at(end, self._end, end, connection)
        elif path == "/state":
            state = {"arrived": self.arrived, "answered": self.answered, "wasted": self.wasted}
            connection.answer(json.dumps({**state, "waiting": len(self._line.waiting)}).encode(), "application/json")
        elif path.startswith("/pace/"):
            self._line.pace = float(path.removeprefix("/pace/"))
            connection.answer(b"ok")
        elif path == "/ready":
            connection.answer(b"ok")
        else:
            connection.answer(b"no such path", status="404 Not Found")

    def _end(self, end: float, connection: "Connection") -> None:
        if connection.answer(_BODY):
            self.answered += 1
        else:
            self.wasted += 1
        following = self._line.done(end)
        if following is not None:
            asker, then = following
            self._loop.call_at(then, self._end, then, asker)


class Connection(asyncio.Protocol):
    """One caller's connection: one request after another, none with a body."""

    __slots__ = ("_backend", "_received", "_transport")

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            self._backend.take(self, head.split(b" ", 2)[1].decode("latin-1"))

    def answer(self, body: bytes, kind: str = "text/plain", status: str = "200 OK") -> bool:
        """Send one answer; False when nobody is there to take it."""
        if self._transport is None or self._transport.is_closing():
            return False
        self._transport.write(_HEAD.format(status, kind, len(body)).encode() + body)
        return True


async def serve(port: int, line: Line[Connection]) -> None:
    """Until the process is ended."""
    loop = asyncio.get_running_loop()
    backend = Backend(line, loop)
    server = await loop.create_server(lambda: Connection(backend), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


def main(arguments: Sequence[str]) -> None:
    """Serve as told."""
    port, places, mean, sigma, seed = arguments
    uvloop.run(serve(int(port), Line(int(places), float(mean), float(sigma), int(seed))))


if __name__ == "__main__":
    main(sys.argv[1:])
