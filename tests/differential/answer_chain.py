"""Answers on their real way: an endpoint that sends them and closes, a Sidecar, a peer in front of it, a client.

Owns one such chain. What the client reads must be what Sidecar made of the answer: no status, field or byte of a body
may change hands, and what was cut short may not look whole.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from tests.differential.answer_ways import WAYS, Ways
from tests.differential.peers import started
from tests.differential.reading import UnreadableError
from tests.differential.their_answers import Read, answer_difference, h11_reads, passed
from tests.doubles.running import ONE_ATTEMPT, RunningProxy, running

_AT_ONCE = 8
_LIMIT_SECONDS = 10.0
# A busy machine may take its time over a connection.
_SETS = (*ONE_ATTEMPT, "upstreams.app.ejection=null", "upstreams.app.connect_timeout=10s")


class AnswerChain:
    """The chain. `compared` counts answers that reached the client."""

    def __init__(self, port: int, cases: list[bytes], ways: Ways) -> None:
        self.compared = 0
        self._port = port
        self._cases = cases
        self._ways = ways

    async def findings(self, answers: Sequence[bytes]) -> list[tuple[bytes, str]]:
        """What differs, each with the answer that shows it."""
        queue = [
            data for data in answers if (ours := passed(data, b"GET")) is not None and not self._ways.differs(ours)
        ]
        suspects: list[bytes] = []

        async def client() -> None:
            while queue:
                data = queue.pop()
                if await self.one(data):
                    suspects.append(data)

        async with asyncio.TaskGroup() as clients:
            for _ in range(_AT_ONCE):
                clients.create_task(client())
        return [one for one in [(data, await self.one(data)) for data in suspects] if one[1]]

    async def one(self, data: bytes) -> str:
        """What differs about one answer to GET; empty when nothing does, and of one that Sidecar refuses."""
        ours = passed(data, b"GET")
        if ours is None:
            return ""
        self._cases.append(data)
        try:
            theirs = h11_reads(await self._asked(len(self._cases) - 1), b"GET")
        except UnreadableError as unreadable:
            # Of a head that came and a body that did not, a peer may close without a word.
            return str(unreadable) if ours.whole else ""
        self.compared += 1
        # Both by h11: an interim answer or a trailer is then no difference.
        mine = h11_reads(ours.sent, b"GET")
        if not ours.whole and (theirs.status == 502 or not theirs.whole):
            return ""
        return answer_difference(mine, Read(theirs.status, theirs.fields, theirs.body, theirs.whole), self._ways.fields)

    async def _asked(self, number: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        answered = b""
        try:
            writer.write(b"GET /%d HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" % number)
            async with asyncio.timeout(_LIMIT_SECONDS):
                while piece := await reader.read(65536):
                    answered += piece
        except ConnectionError:
            pass
        finally:
            writer.close()
        return answered


class _Endpoint(asyncio.Protocol):
    """Sends the answer with the number that it is asked for, and closes."""

    def __init__(self, cases: list[bytes]) -> None:
        self._cases = cases
        self._data = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._data += data
        if self._data.endswith(b"\r\n\r\n") and (asked := re.match(rb"GET /([0-9]+) ", self._data)):
            self._transport.write(self._cases[int(asked[1])])
            self._transport.close()


@asynccontextmanager
async def answer_chain(name: str, program: str, folder: Path) -> AsyncIterator[AnswerChain]:
    """A chain with this peer in front; with `direct` there is none, and the client asks Sidecar itself."""
    cases = [b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        server = await loop.create_server(lambda: _Endpoint(cases), "127.0.0.1", 0)
        stack.callback(server.close)
        endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        proxy: RunningProxy = await stack.enter_async_context(running(endpoint, sets=_SETS))
        port = proxy.port
        if name != "direct":
            port = await stack.enter_async_context(started(name, program, folder, port, "/0"))
        yield AnswerChain(port, cases, WAYS[name])
