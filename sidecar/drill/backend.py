"""An embedded backend: answers as it should, or misbehaves as its script has it at this moment.

Owns what is done to connections and to requests, and what it saw of them. Knows neither the proxy nor real time: it
lives on the running loop, and is told when each thing begins and ends.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections import deque
from collections.abc import Callable
from typing import Protocol, cast

from sidecar.drill.messages import MalformedError, Message, Reader
from sidecar.drill.record import Attempt, End, Ill
from sidecar.drill.scenario import P99_DEVIATIONS, Backend, Step, Takes
from sidecar.transport.departure import cut_off

# Which request of the load this is; whatever comes without it is a health check.
NUMBER = b"x-drill"
_GARBAGE = b"\x16\x03\x01\x00\x2enot HTTP at all\r\n\r\n\x00\xff"


class Site(Protocol):
    """Where a backend stands: what it can do to those who want to connect. `refused` is how many were, as far as it
    can know."""

    @property
    def refused(self) -> int:
        """How many were refused."""

    def open(self, factory: Callable[[], asyncio.Protocol]) -> None:
        """Accept connections, from the next turn of the loop on."""

    def shut(self) -> None:
        """Refuse them."""

    def vanish(self) -> None:
        """Answer nothing to them, not even a refusal."""

    def appear(self) -> None:
        """Be as before `vanish`."""


def body_of(number: int, size: int) -> bytes:
    """The body of the answer to this request: no other has it."""
    pattern = b"%d." % number
    return (pattern * (size // len(pattern) + 1))[:size]


def drawn(takes: Takes, rng: random.Random) -> float:
    """How long one answer takes, in seconds."""
    if takes.p99 is None:
        return takes.median
    deviation = math.log(takes.p99 / takes.median) / P99_DEVIATIONS
    return takes.median * math.exp(deviation * rng.gauss(0.0, 1.0))


class StandIn:
    """One endpoint. `name` is what the rules call it; `checked_by` is the status that health checks are answered with.

    `refusals` counts what keeps it from listening, `vanishings` what makes it unreachable.
    """

    def __init__(
        self, name: str, site: Site, usual: Backend, rng: random.Random, epoch: float, checked_by: int = 200
    ) -> None:
        self.name = name
        self.usual = usual
        self.loop = asyncio.get_running_loop()
        self.rng = rng
        self.epoch = epoch
        self.checked_by = checked_by
        self._site = site
        self._refusals = 0
        self._vanishings = 0
        self.troubles: list[tuple[Ill, Step]] = []  # those that concern single requests
        self.conversations: dict[Conversation, None] = {}
        self.attempts: list[Attempt] = []
        self.connections = self.requests = self.aborted = self.checks = self.most = 0
        self.at_once = 0
        self._at_work = 0
        self._line: deque[_Job] = deque()

    @property
    def refused(self) -> int:
        """How many connections were refused."""
        return self._site.refused

    @property
    def frozen(self) -> bool:
        """Whether nothing reaches it, and nothing leaves it."""
        return self._vanishings > 0

    def now(self) -> float:
        """Seconds since the load began."""
        return self.loop.time() - self.epoch

    def open(self) -> None:
        """Begin to accept."""
        self._site.open(lambda: Conversation(self))

    def close(self) -> None:
        """Be gone."""
        if not self._refusals:
            self._site.shut()
        for conversation in list(self.conversations):
            conversation.kill("cut")

    def begin(self, ill: Ill, step: Step) -> None:
        """This goes wrong from now on."""
        if ill.do == "unreachable":
            self._vanishings += 1
            if self._vanishings == 1:
                self._site.vanish()
                self._freeze(True)
        elif ill.do in ("refuse", "die", "restart", "flap"):
            self._refusals += 1
            if self._refusals == 1:
                self._site.shut()
            self._leave(ill)
        else:
            self.troubles.append((ill, step))

    def end(self, ill: Ill, step: Step) -> None:
        """And now it does not any more."""
        if ill.do == "unreachable":
            self._vanishings -= 1
            if not self._vanishings:
                self._site.appear()
                self._freeze(False)
        elif ill.do in ("refuse", "die", "restart", "flap"):
            self._refusals -= 1
            if not self._refusals:
                self.open()
        else:
            self.troubles.remove((ill, step))

    def _leave(self, ill: Ill) -> None:
        for conversation in list(self.conversations):
            if ill.do in ("die", "flap"):
                conversation.kill("killed")
            elif ill.do == "restart":
                conversation.close_when_idle()

    def _freeze(self, frozen: bool) -> None:
        for conversation in list(self.conversations):
            conversation.freeze(frozen)

    def trouble(self) -> Step | None:
        """What goes wrong with one request that begins now, if anything does."""
        for ill, step in self.troubles:
            if ill.share >= 1.0 or self.rng.random() < ill.share:
                return step
        return None

    # Places to work at.

    def work(self, job: _Job) -> None:
        """Begin the job, or put it in line for a place."""
        if self.usual.places and self._at_work >= self.usual.places:
            self._line.append(job)
        else:
            self._at_work += 1
            job.start()

    def worked(self) -> None:
        """A place is free again."""
        self._at_work -= 1
        while self._line:
            job = self._line.popleft()
            if not job.is_off:
                self._at_work += 1
                job.start()
                return


class _Job:
    """One request that is worked on. One whose client has left goes on, as it would: nobody tells a thread."""

    __slots__ = ("_conversation", "_number", "_step", "is_off")

    def __init__(self, conversation: Conversation, number: int | None, step: Step | None) -> None:
        self._conversation = conversation
        self._number = number
        self._step = step
        self.is_off = False

    def start(self) -> None:
        backend, step = self._conversation.backend, self._step
        seconds = drawn(backend.usual.takes, backend.rng)
        if step is not None and step.do == "slow":
            seconds = drawn(step.takes, backend.rng) if step.takes is not None else seconds * (step.factor or 1.0)
        backend.loop.call_later(seconds, self._done)

    def _done(self) -> None:
        self._conversation.backend.worked()
        if not self.is_off:
            self._conversation.answer(self._number, self._step)


class Conversation(asyncio.Protocol):
    """One accepted connection, one request after the other."""

    def __init__(self, backend: StandIn) -> None:
        self.backend = backend
        self._reader = Reader(is_answer=False)
        self._transport: asyncio.Transport
        self._job: _Job | None = None
        self._number: int | None = None
        self._busy = False
        self._began = 0.0
        self._end: End | None = None
        self._status = 0
        self._kept: list[Callable[[], None]] = []
        self.is_last = False

    # What the transport tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # of uvloop, say, which only looks like one
        self.backend.connections += 1
        self.backend.conversations[self] = None
        if self.backend.frozen:
            self.freeze(True)

    def data_received(self, data: bytes) -> None:
        try:
            whole = self._reader.feed(data)
        except MalformedError:
            self._transport.abort()
            return
        message = self._reader.message
        if message is not None and not self._busy:
            self._arrived(message)
        if whole and message is not None and self._job is None:
            self._whole(message)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.backend.conversations.pop(self, None)
        self._settle(self._end or "aborted")

    # What the script tells.

    def kill(self, end: End) -> None:
        """RST, now."""
        if self._busy and self._end is None:
            self._end = end
        cut_off(self._transport)
        self._settle(end)

    def close_when_idle(self) -> None:
        """No request after the one under way."""
        self.is_last = True
        if not self._busy:
            self._transport.close()

    def freeze(self, frozen: bool) -> None:
        """What comes is not read, and what would be sent is kept, until it thaws."""
        if frozen:
            self._transport.pause_reading()
            return
        kept, self._kept = self._kept, []
        for send in kept:
            send()
        if not self._transport.is_closing():
            self._transport.resume_reading()

    # One request.

    def _arrived(self, message: Message) -> None:
        backend = self.backend
        text = message.fields.get(NUMBER, b"")
        self._number = int(text) if text.isdigit() else None
        self._busy, self._began, self._end, self._status = True, backend.now(), None, 0
        if self._number is None:
            backend.checks += 1
            return
        backend.requests += 1
        backend.at_once += 1
        backend.most = max(backend.most, backend.at_once)

    def _whole(self, message: Message) -> None:
        step = self.backend.trouble()
        self._job = _Job(self, self._number, step)
        if step is not None and step.do == "stall":
            self._end = "stalled"
            return
        self.backend.work(self._job)

    def answer(self, number: int | None, step: Step | None) -> None:
        """The work is done."""
        if self.backend.frozen:
            self._kept.append(lambda: self.answer(number, step))
            return
        if self._transport.is_closing():
            return
        do = "" if step is None else step.do
        if do == "garbage":
            self._end = "garbage"
            self._transport.write(_GARBAGE)
            self._transport.close()
            return
        if do in ("reset", "truncate"):
            self._break_off(number, "reset" if do == "reset" else "truncated")
            return
        failed = step is not None and step.do == "fail"
        self._end = "failed" if failed else "answered"
        self._transport.write(self._bytes(number, step.status if failed and step is not None else 0))
        self._settle(self._end)
        self._next()

    def _break_off(self, number: int | None, end: End) -> None:
        """Half an answer, and no more."""
        whole = self._bytes(number, 0)
        self._end = end
        self._transport.write(whole[: max(len(whole) - self.backend.usual.answer // 2, len(whole) * 3 // 4)])
        if end == "truncated":
            self._transport.close()
            return
        # In the next turn: what was just written is to arrive.
        self.backend.loop.call_soon(cut_off, self._transport)

    def _bytes(self, number: int | None, failed: int) -> bytes:
        self._status = failed or (200 if number is not None else self.backend.checked_by)
        body = b"" if failed or number is None else body_of(number, self.backend.usual.answer)
        method = self._reader.message.start[0] if self._reader.message is not None else b""
        lines = [b"HTTP/1.1 %d %s" % (self._status, b"Failed" if failed else b"OK")]
        if self._status != 204:
            lines.append(b"Content-Length: %d" % len(body))
        if number is not None:
            lines.append(b"X-Drill: %d" % number)
        if self.is_last:
            lines.append(b"Connection: close")
        return b"\r\n".join((*lines, b"", b"" if method == b"HEAD" or self._status == 204 else body))

    def _settle(self, end: End) -> None:
        """The request under way is over, as far as this endpoint is concerned."""
        if not self._busy:
            return
        self._busy = False
        backend, whole = self.backend, self._reader.whole
        if self._job is not None:
            self._job.is_off = True
        self._job = None
        if self._number is None:
            return
        backend.at_once -= 1
        backend.aborted += end in ("aborted", "stalled")
        attempt = Attempt(self._number, backend.name, self._began, backend.now(), end, self._status, whole)
        backend.attempts.append(attempt)

    def _next(self) -> None:
        if self.is_last:
            self._transport.close()
            return
        self._reader.next()
        if self._reader.has_more:
            self.data_received(b"")
