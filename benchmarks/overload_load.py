"""Callers that do not wait for each other and do not wait for ever: `python -m benchmarks.overload_load PLAN`.

Requests arrive at random instants (Poisson), whatever became of those before. Each is sent over a connection that is
free, or over a new one; after `patience` seconds without an answer its caller hangs up, and that request is lost even
if somebody is still at work on it. What counts is *goodput*: answers 200 within the patience. Times count from the
instant at which a request was due.

Plain sockets and epoll, which costs a third of what an event loop does: several of these share a machine with what
they measure. PLAN is a JSON object with the fields of `Plan`; prints one verdict line.
"""

import errno
import gc
import json
import math
import random
import select
import socket
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from benchmarks.answers import AnswerReader
from benchmarks.loads import request_bytes
from benchmarks.paced import percentile
from benchmarks.processes import ask

PATH = "/job"
GOOD, REFUSED, LOST = "good", "refused", "lost"
_REQUEST = request_bytes(PATH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`rate` requests per second for `warm` seconds that do not count and `seconds` that do."""

    port: int
    rate: float
    seconds: float
    warm: float = 0.0
    patience: float = 1.0
    seed: int = 1
    backend: int = 0
    """Where `changes` are asked for: a path of the backend, at so many seconds after the start."""
    changes: Sequence[tuple[float, str]] = ()


@dataclass(slots=True)
class Request:
    """One request: when it was due, what became of it, and after how many seconds. Answers other than 200, and a
    connection that was refused or broken, are `refused`; a caller that hung up is `lost`."""

    due: float
    outcome: str = ""
    took: float = 0.0
    again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the callers saw in the seconds that count; times in seconds, nan where there was nothing to time."""

    offered: int
    good: int
    refused: int
    lost: int
    p50: float
    p99: float
    """Of all that were not refused; a caller that hung up counts as its patience."""
    refused_p50: float
    refused_p99: float
    lag_p99: float
    """How much later than due the generator itself was."""
    statuses: dict[str, int] = field(default_factory=dict)
    series: list[int] = field(default_factory=list)
    """Good answers to the requests due in each second, from the start on."""


class _Link:
    """One connection, and the request it carries."""

    __slots__ = ("carries", "connected", "reader", "socket", "used")

    def __init__(self, wire: socket.socket) -> None:
        self.socket = wire
        self.reader = AnswerReader()
        self.carries: Request | None = None
        self.connected = False
        self.used = False


class Callers:
    """One run of one plan."""

    __slots__ = ("_events", "_free", "_lags", "_links", "_plan", "_start", "_waiting", "requests", "statuses")

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._events = select.epoll()
        self._links: dict[int, _Link] = {}
        self._free: list[_Link] = []
        self._waiting: deque[tuple[Request, _Link]] = deque()
        self._lags: list[float] = []
        self._start = 0.0
        self.requests: list[Request] = []
        self.statuses: dict[str, int] = {}

    def run(self) -> Verdict:
        """Send everything, wait for the last answer or the last caller's patience, and close."""
        plan = self._plan
        dues = self._arrivals()
        changes = deque(plan.changes)
        self._start = time.perf_counter()
        place = 0
        while True:
            now = time.perf_counter() - self._start
            while place < len(dues) and dues[place] <= now:
                self._begin(dues[place], now)
                place += 1
            while changes and changes[0][0] <= now:
                ask(plan.backend, changes.popleft()[1])
            self._hang_up(now)
            if place == len(dues) and not self._waiting:
                break
            self._turn(min(self._next_end(), dues[place] if place < len(dues) else math.inf), now)
        for link in list(self._links.values()):
            self._close(link)
        self._events.close()
        return self._verdict()

    def _arrivals(self) -> list[float]:
        rng = random.Random(self._plan.seed)
        dues, at, end = [], 0.0, self._plan.warm + self._plan.seconds
        while (at := at + rng.expovariate(self._plan.rate)) < end:
            dues.append(at)
        return dues

    def _next_end(self) -> float:
        while self._waiting and self._waiting[0][0].outcome:
            self._waiting.popleft()
        return self._waiting[0][0].due + self._plan.patience if self._waiting else math.inf

    def _turn(self, until: float, now: float) -> None:
        # Not for long, so that a change of the backend is asked for on time.
        for descriptor, event in self._events.poll(max(0.0, min(until - now, 0.05))):
            link = self._links.get(descriptor)
            if link is None:
                continue
            if not link.connected:
                self._connected(link, event)
            elif event:
                self._receive(link)

    def _begin(self, due: float, now: float) -> None:
        request = Request(due)
        self.requests.append(request)
        self._lags.append(now - due)
        self._carry(request, fresh=False)

    def _carry(self, request: Request, *, fresh: bool) -> None:
        link = self._free.pop() if self._free and not fresh else self._open()
        link.carries = request
        self._waiting.append((request, link))
        if link.connected:
            self._send(link)

    def _open(self) -> _Link:
        wire = socket.socket()
        wire.setblocking(False)
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link = _Link(wire)
        self._links[wire.fileno()] = link
        code = wire.connect_ex(("127.0.0.1", self._plan.port))
        link.connected = code == 0
        awaited = select.EPOLLIN if link.connected else select.EPOLLIN | select.EPOLLOUT
        self._events.register(wire, awaited)
        return link

    def _connected(self, link: _Link, event: int) -> None:
        if link.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) or event & select.EPOLLHUP:
            self._broken(link)
            return
        link.connected = True
        self._events.modify(link.socket, select.EPOLLIN)
        self._send(link)

    def _send(self, link: _Link) -> None:
        try:
            link.socket.send(_REQUEST)
        except OSError:
            self._broken(link)

    def _receive(self, link: _Link) -> None:
        try:
            received = link.socket.recv(65536)
            complete = bool(received) and link.reader.feed(received)
        except (OSError, ValueError) as problem:
            if isinstance(problem, OSError) and problem.errno in (errno.EAGAIN, errno.EINTR):
                return
            received, complete = b"", False
        if not received:
            self._broken(link)
        elif complete:
            request, link.carries, link.used = link.carries, None, True
            if request is None:
                self._close(link)
                return
            self._end(request, GOOD if link.reader.status == 200 else REFUSED, str(link.reader.status))
            self._free.append(link)

    def _broken(self, link: _Link) -> None:
        """The connection has ended. A server may close an idle one at any time, also while a request is on its way
        (RFC 9112 9.3.1): that request is sent once more, over a new connection."""
        request = link.carries
        stale = link.used
        self._close(link)
        if request is None or request.outcome:
            return
        if stale and not request.again:
            request.again = True
            self._carry(request, fresh=True)
        else:
            self._end(request, REFUSED, "broken")

    def _hang_up(self, now: float) -> None:
        while self._waiting:
            request, link = self._waiting[0]
            if not request.outcome and request.due + self._plan.patience > now:
                break
            self._waiting.popleft()
            if not request.outcome and link.carries is request:
                self._end(request, LOST, "hung up")
                self._close(link)

    def _end(self, request: Request, outcome: str, how: str) -> None:
        request.outcome = outcome
        request.took = time.perf_counter() - self._start - request.due
        self.statuses[how] = self.statuses.get(how, 0) + 1

    def _close(self, link: _Link) -> None:
        del self._links[link.socket.fileno()]
        link.socket.close()
        if link.carries is None:
            self._free.remove(link)

    def _verdict(self) -> Verdict:
        plan = self._plan
        series = [0] * math.ceil(plan.warm + plan.seconds)
        for request in self.requests:
            series[int(request.due)] += request.outcome == GOOD
        counted = [request for request in self.requests if request.due >= plan.warm]
        outcomes = [request.outcome for request in counted]
        admitted = sorted(request.took for request in counted if request.outcome != REFUSED)
        refused = sorted(request.took for request in counted if request.outcome == REFUSED)
        return Verdict(
            offered=len(counted),
            good=outcomes.count(GOOD),
            refused=outcomes.count(REFUSED),
            lost=outcomes.count(LOST),
            p50=percentile(admitted, 0.50),
            p99=percentile(admitted, 0.99),
            refused_p50=percentile(refused, 0.50),
            refused_p99=percentile(refused, 0.99),
            lag_p99=percentile(sorted(self._lags), 0.99),
            statuses=self.statuses,
            series=series,
        )


def main(arguments: Sequence[str]) -> None:
    """Run once and print the verdict."""
    (plan,) = arguments
    # A collection in the middle would be booked on the proxy.
    gc.disable()
    sys.stdout.write("VERDICT " + json.dumps(asdict(Callers(Plan(**json.loads(plan))).run())) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
