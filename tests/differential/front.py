"""The same bytes to a peer itself: what it takes of them, what it refuses, and what it makes of what it takes.

Owns one peer with a recorder behind it. A request of our own follows on the same connection and asks for its end: a
connection that ends without an answer to it has been refused, one that neither ends nor answers waits for more.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.differential.peers import started
from tests.differential.reading import Reading
from tests.differential.recorder import Recorder

LAST = b"GET /last HTTP/1.1\r\nHost: last\r\nConnection: close\r\n\r\n"
_HEAD = re.compile(rb"HTTP/1\.[01] ([0-9]{3}).*?\r\n\r\n", re.DOTALL)
_NUMBER = re.compile(rb"\r\nx-read: ?([0-9]+)\r\n", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a peer made of a connection: the requests that reached the backend, and the status that it refused the next
    one with, 0 where it did not."""

    readings: tuple[Reading, ...]
    refused: int

    @property
    def ended(self) -> bool:
        """Whether our own request at the end was read as one."""
        return bool(self.readings) and self.readings[-1].target == b"/last"


class Front:
    """A peer that is asked directly."""

    def __init__(self, recorder: Recorder, port: int) -> None:
        self._recorder = recorder
        self._port = port

    async def verdict(self, data: bytes, patience: float) -> Verdict:
        """What becomes of these bytes, with `LAST` after them; one that takes longer waits for more."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        answered = b""
        try:
            writer.write(data + LAST)
            # A peer that has refused may reset what it did not read.
            with suppress(TimeoutError, OSError):
                async with asyncio.timeout(patience):
                    while piece := await reader.read(65536):
                        answered += piece
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        return self._verdict(answered)

    def _verdict(self, answered: bytes) -> Verdict:
        readings = []
        for head in _HEAD.finditer(answered):
            number = _NUMBER.search(head[0])
            if number is not None:
                readings.append(self._recorder.readings[int(number[1])])
            elif int(head[1]) >= 200:
                return Verdict(tuple(readings), int(head[1]))
        return Verdict(tuple(readings), 0)


@asynccontextmanager
async def front(name: str, program: str, folder: Path) -> AsyncIterator[Front]:
    """A peer in front of a recorder."""
    async with AsyncExitStack() as stack:
        recorder = await stack.enter_async_context(Recorder())
        port = await stack.enter_async_context(started(name, program, folder, recorder.port))
        yield Front(recorder, port)
