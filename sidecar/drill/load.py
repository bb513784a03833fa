"""The clients: requests that come at their own pace, whatever becomes of those before them.

Owns when each is sent, over which connection, and what its client saw, once for each. An answer counts when it is
whole and its own. Knows no proxy: an address, and a loop to live on.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sidecar.drill.backend import NUMBER, body_of
from sidecar.drill.messages import MalformedError, Message, Reader
from sidecar.drill.record import Failure, Request
from sidecar.drill.scenario import Load
from sidecar.model.address import Address
from sidecar.transport.tasks import Tasks

REQUEST_ID = "drill-%d"
# Methods whose requests have a body.
_WITH_BODY = frozenset(("POST", "PUT", "PATCH", "QUERY"))


@dataclass(frozen=True, slots=True)
class Planned:
    """One request that will be sent."""

    number: int
    client: int
    method: str
    path: str
    due: float


def plan(load: Load, duration: float, rng: random.Random) -> Iterator[Planned]:
    """The requests of so many seconds, in order: a Poisson stream."""
    at = 0.0
    methods, paths = _weighed(load.methods.items()), _weighed(load.paths.items())
    for number in itertools.count():
        at += rng.expovariate(load.rate)
        if at >= duration:
            return
        yield Planned(number, rng.randrange(load.clients), _pick(methods, rng), _pick(paths, rng), at)


def _weighed(weights: Iterable[tuple[str, float]]) -> tuple[list[str], list[float]]:
    named = list(weights)
    return [name for name, _ in named], list(itertools.accumulate(weight for _, weight in named))


def _pick(choice: tuple[list[str], list[float]], rng: random.Random) -> str:
    return rng.choices(choice[0], cum_weights=choice[1])[0]


def source_of(client: int) -> str:
    """The address that a client comes from: each its own, all of them this machine's."""
    return f"127.1.{client >> 8}.{client & 255}"


class Clients:
    """All clients of a drill. `answer` is the size of a whole answer's body; `most` is how many connections they had at
    once."""

    def __init__(self, load: Load, where: Address, epoch: float, answer: int, tasks: Tasks) -> None:
        self.load = load
        self.answer = answer
        self.loop: Any = asyncio.get_running_loop()
        self._where = where
        self._epoch = epoch
        self._tasks = tasks
        self._idle: dict[int, Wire] = {}
        self._open: dict[Wire, None] = {}
        self._under_way: dict[Errand, None] = {}
        self._none_left = asyncio.Event()
        self._all_sent = False
        self.seen: list[Request] = []
        self.most = 0

    def now(self) -> float:
        """Seconds since the load began."""
        return float(self.loop.time()) - self._epoch

    async def send(self, requests: Iterator[Planned]) -> None:
        """Send each when it is due; returns when the last has been."""
        for planned in requests:
            wait = self._epoch + planned.due - self.loop.time()
            if wait > 0:
                await asyncio.sleep(wait)
            Errand(self, planned).begin()
        self._all_sent = True
        self._look()

    async def settled(self, patience: float) -> None:
        """Wait for the last answer, so many seconds at most; who has none by then is cut."""
        try:
            async with asyncio.timeout(patience):
                await self._none_left.wait()
        except TimeoutError:
            for errand in list(self._under_way):
                errand.fail("cut")

    def close(self) -> None:
        """Let go of every connection."""
        for wire in list(self._open):
            wire.close()

    # Connections.

    def wire_for(self, errand: Errand) -> None:
        """A connection of the client's own for this errand: the idle one, or another."""
        wire = self._idle.pop(errand.planned.client, None)
        if wire is not None:
            wire.carry(errand, reused=True)
        else:
            self._tasks.start(self._connect(errand), f"client {errand.planned.client}")

    async def _connect(self, errand: Errand) -> None:
        where, source = self._where, (source_of(errand.planned.client), 0)
        try:
            if where.path is not None:
                _, wire = await self.loop.create_unix_connection(lambda: Wire(self), where.path)
            else:
                _, wire = await self.loop.create_connection(
                    lambda: Wire(self), where.host, where.port, local_addr=source
                )
        except OSError:
            errand.fail("refused")
            return
        if errand.is_over:
            wire.close()
        else:
            wire.carry(errand, reused=False)

    def opened(self, wire: Wire) -> None:
        """A connection stands."""
        self._open[wire] = None
        self.most = max(self.most, len(self._open))

    def idle(self, wire: Wire, client: int) -> None:
        """A connection has carried an answer to its end. Each client keeps one."""
        if client in self._idle:
            wire.close()
        else:
            self._idle[client] = wire
            wire.client = client

    def gone(self, wire: Wire) -> None:
        """A connection is closed."""
        self._open.pop(wire, None)
        if self._idle.get(wire.client) is wire:
            del self._idle[wire.client]

    # Errands.

    def began(self, errand: Errand) -> None:
        """One more is under way."""
        self._under_way[errand] = None

    def over(self, errand: Errand, seen: Request) -> None:
        """It has ended, as its client sees it."""
        del self._under_way[errand]
        self.seen.append(seen)
        self._look()

    def _look(self) -> None:
        if self._all_sent and not self._under_way:
            self._none_left.set()


class Errand:
    """One request on its way. It ends once."""

    def __init__(self, clients: Clients, planned: Planned) -> None:
        self._clients = clients
        self.planned = planned
        self._began = clients.now()
        self._timer: asyncio.TimerHandle | None = None
        self._wire: Wire | None = None
        self._again = False
        self.head: float | None = None
        self.is_over = False

    def begin(self) -> None:
        """Send it."""
        self._clients.began(self)
        patience = self._clients.load.gives_up
        if patience is not None:
            self._timer = self._clients.loop.call_later(patience, self._give_up)
        self._clients.wire_for(self)

    def data(self) -> bytes:
        """Its bytes."""
        load, planned = self._clients.load, self.planned
        body = b""
        lines = [f"{planned.method} {planned.path} HTTP/1.1", f"Host: {load.host}"]
        lines.append(f"X-Request-Id: {REQUEST_ID % planned.number}")
        lines.append(f"X-Drill: {planned.number}")
        lines += [f"{name}: {value}" for name, value in load.headers.items()]
        if planned.method in _WITH_BODY:
            body = b"x" * load.body
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join((*lines, "", "")).encode("latin-1") + body

    def carried_by(self, wire: Wire) -> None:
        """This connection has it now."""
        self._wire = wire

    def answered(self, message: Message) -> None:
        """The whole answer is here."""
        told = message.fields.get(NUMBER)
        own = True
        if told is not None:
            number = self.planned.number
            own = told == b"%d" % number
            if own and message.status == 200 and self.planned.method != "HEAD":
                own = bytes(message.body) == body_of(number, self._clients.answer)
        self._end("" if own else "not_its_own", message.status)

    def lost(self, reader: Reader, reused: bool, fault: Exception | None) -> None:
        """The connection is gone before the whole answer."""
        if reader.message is None and not reader.has_more and reused and not self._again:
            self._again = True  # it was closed while the request was on its way, as every client knows
            self._clients.wire_for(self)
            return
        status = reader.message.status if reader.message is not None else 0
        if fault is not None:
            self._end("reset", status)
        else:
            self._end("truncated" if status or reader.has_more else "closed", status)

    def fail(self, failure: Failure) -> None:
        """It ends without an answer, and its connection with it."""
        wire, self._wire = self._wire, None
        status = 0
        if wire is not None:
            message = wire.reader.message
            status = 0 if message is None else message.status
            wire.drop()
        self._end(failure, status)

    def _give_up(self) -> None:
        self.fail("gave_up")

    def _end(self, failure: Failure, status: int) -> None:
        if self.is_over:
            return
        self.is_over = True
        self._wire = None
        if self._timer is not None:
            self._timer.cancel()
        planned, now = self.planned, self._clients.now()
        seen = Request(
            number=planned.number,
            client=planned.client,
            method=planned.method,
            path=planned.path,
            due=planned.due,
            began=self._began,
            ended=now,
            head=self.head,
            status=status,
            failure=failure,
        )
        self._clients.over(self, seen)


class Wire(asyncio.Protocol):
    """One connection of a client."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._errand: Errand | None = None
        self._reused = False
        self._transport: Any = None
        self.reader = Reader(is_answer=True)
        self.client = -1

    def carry(self, errand: Errand, *, reused: bool) -> None:
        """Send this one, and read its answer."""
        self._errand, self._reused = errand, reused
        errand.carried_by(self)
        self.reader.next(errand.planned.method == "HEAD")
        if self._transport.is_closing():
            self._lost(None)
        else:
            self._transport.write(errand.data())

    def drop(self) -> None:
        """The errand is not wanted any more."""
        self._errand = None
        self._transport.abort()

    def close(self) -> None:
        """Nor is the connection."""
        self._transport.close()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._clients.opened(self)

    def data_received(self, data: bytes) -> None:
        errand = self._errand
        if errand is None:
            self._transport.abort()  # an answer that nobody has asked for
            return
        try:
            whole = self.reader.feed(data)
        except MalformedError:
            errand.fail("malformed")
            return
        if errand.head is None and self.reader.message is not None:
            errand.head = self._clients.now()
        if whole and self.reader.message is not None:
            self._end(errand, self.reader.message)

    def eof_received(self) -> bool:
        message = self.reader.message
        if self._errand is not None and message is not None and self.reader.end():
            self._end(self._errand, message)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._clients.gone(self)
        self._lost(exc)

    def _lost(self, fault: Exception | None) -> None:
        errand, self._errand = self._errand, None
        if errand is not None:
            errand.lost(self.reader, self._reused, fault)

    def _end(self, errand: Errand, message: Message) -> None:
        self._errand = None
        keeps = message.fields.get(b"connection", b"").lower() != b"close" and not self.reader.has_more
        errand.answered(message)
        if keeps and not self._transport.is_closing():
            self._clients.idle(self, errand.planned.client)
        else:
            self._transport.close()
