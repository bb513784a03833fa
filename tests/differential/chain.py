"""The real thing: a Sidecar that serves, a peer behind it, and a backend behind that which keeps what it reads.

Owns one chain and what is found on it. Each connection's bytes are sent as one client would send them; what the backend
reads must be, request for request, what Sidecar says that it forwards. After each, a request of our own takes the
pooled connection: one byte left over or missing would show there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from tests.differential.judging import difference
from tests.differential.norms import NORMS, Norm
from tests.differential.ours import taken
from tests.differential.peers import started
from tests.differential.pure import one_request
from tests.differential.reading import Reading
from tests.differential.recorder import Recorder
from tests.doubles.backend import GoneError
from tests.doubles.peer import Answer, Peer
from tests.doubles.running import ONE_ATTEMPT, RunningProxy, running

_AT_ONCE = 8
_CUT = "cut off: "
# A busy machine may take its time over a connection.
_SETS = (
    *ONE_ATTEMPT,
    "upstreams.app.ejection=null",
    "upstreams.app.connect_timeout=10s",
    "tracing.headers=false",
)
# What a served request has and one that was read in process has not, or with another value.
_OF_SERVING = frozenset({b"x-request-timeout-ms", b"traceparent"})


class Chain:
    """Sidecar, a peer, a recorder. `compared` counts the requests that came through."""

    def __init__(self, recorder: Recorder, proxy: RunningProxy, norm: Norm, port: int) -> None:
        self.compared = 0
        self._endpoint = b"127.0.0.1:%d" % port
        self._recorder = recorder
        self._proxy = proxy
        self._norm = norm
        self._sent = 0

    async def findings(self, connections: Sequence[bytes]) -> list[tuple[bytes, str]]:
        """What differs, each with the bytes that show it; connections that forward nothing are left out."""
        wanted = [data for data in connections if taken(data).passed]
        found: list[tuple[bytes, str]] = []
        for at in range(0, len(wanted), 10 * _AT_ONCE):
            batch = wanted[at : at + 10 * _AT_ONCE]
            if any(said for _, said in await self._looked_at(batch)) or self._is_lost():
                found += [one for one in [(data, await self.alone(data)) for data in batch] if one[1]]
        return found

    async def _looked_at(self, batch: list[bytes]) -> list[tuple[bytes, str]]:
        queue = list(batch)
        said: list[tuple[bytes, str]] = []

        async def client() -> None:
            while queue:
                data = queue.pop()
                said.append((data, await self.one(data)))

        async with asyncio.TaskGroup() as clients:
            for _ in range(_AT_ONCE):
                clients.create_task(client())
        return said

    async def alone(self, data: bytes) -> str:
        """The same as `one`, with nobody else on the chain, and every request counted."""
        self._is_lost()
        said = await self.one(data)
        return said or self._is_lost()

    def _is_lost(self) -> str:
        """Whether the backend has read more requests than were answered, or what is none; looks afresh after that."""
        recorder = self._recorder
        said = recorder.unreadable[0] if recorder.unreadable else ""
        if not said and len(recorder.readings) != self._sent:
            said = f"{self._sent} requests were answered, and {len(recorder.readings)} read"
        recorder.unreadable.clear()
        recorder.readings.clear()
        self._sent = 0
        return said

    async def one(self, data: bytes) -> str:
        """What differs between what Sidecar forwards of `data` and what the backend reads; empty when nothing does."""
        said = ""
        async with self._proxy.peer() as client:
            await client.send(data)
            for passed in taken(data, self._endpoint).passed:
                sent = one_request(passed.sent)
                reading, refused = await self._read(client, sent.method)
                # To the last answer whatever was found: what is on its way would be taken for the next case's.
                if reading is not None:
                    self.compared += 1
                    same = difference(self._norm.sent(sent), reading, _OF_SERVING | self._norm.written(sent))
                    said = said or same
                elif not self._norm.may_refuse(sent):
                    said = said or refused
                if refused.startswith(_CUT):
                    break
        return said or await self._sentinel()

    async def _sentinel(self) -> str:
        async with self._proxy.peer() as client:
            await client.send(b"GET /sentinel?x HTTP/1.1\r\nHost: sentinel\r\n\r\n")
            reading, refused = await self._read(client, b"GET")
        if reading is None:
            return f"the next request: {refused}"
        return "" if reading.target == b"/sentinel?x" else f"the next request was read as {reading.raw!r}"

    async def _read(self, client: Peer, method: bytes) -> tuple[Reading | None, str]:
        """What the backend read of the request that is answered next, or how it was refused."""
        try:
            answer: Answer = await client.answer(method)
        except GoneError as gone:
            return None, f"{_CUT}{gone}"
        number = answer.get("x-read")
        if number is None:
            by = "sidecar" if answer.get("content-type") == b"application/problem+json" else "the peer"
            return None, f"refused by {by} with {answer.status}: {answer.body[:120]!r}"
        self._sent += 1
        return self._recorder.readings[int(number)], ""


@asynccontextmanager
async def chain(name: str, program: str, folder: Path, norm: Norm | None = None) -> AsyncIterator[Chain]:
    """A chain with this peer; `direct` has none, and the backend is Sidecar's own."""
    async with AsyncExitStack() as stack:
        recorder = await stack.enter_async_context(Recorder())
        port = recorder.port
        if name != "direct":
            port = await stack.enter_async_context(started(name, program, folder, port))
            recorder.readings.clear()
        proxy = await stack.enter_async_context(running(f"http://127.0.0.1:{port}", sets=_SETS))
        yield Chain(recorder, proxy, norm or NORMS[name], port)
