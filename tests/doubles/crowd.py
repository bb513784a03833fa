"""Clients that ask without a pause, some on connections that they keep and some on a new one each time.

Each of them fails the test by whatever goes wrong: refused, reset, cut, or an answer other than the backend's. Those
that keep connections send what must not be sent twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from tests.doubles.backend import LIMIT_SECONDS
from tests.doubles.peer import Peer


class Crowd:
    """`answered` counts the answers."""

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self.answered = 0
        self.tasks: list[asyncio.Task[None]] = []
        self._is_over = False
        self._grew = asyncio.Event()

    async def more(self, count: int = 50) -> None:
        """Waits for so many more answers."""
        wanted = self.answered + count
        async with asyncio.timeout(LIMIT_SECONDS * 3):
            while self.answered < wanted:
                self._grew.clear()
                await self._grew.wait()

    async def leaves(self) -> None:
        """Asks no more, and waits for the last answers."""
        self._is_over = True
        async with asyncio.timeout(LIMIT_SECONDS):
            await asyncio.wait(self.tasks)

    def _count(self) -> None:
        self.answered += 1
        self._grew.set()

    async def keep_alive(self) -> None:
        """A client that keeps its connection for as long as it is let."""
        async with aiohttp.ClientSession() as session:
            while not self._is_over:
                # POST: what aiohttp would never send a second time by itself.
                async with session.post(f"http://{self.host}:{self.port}/", data=b"x") as answer:
                    assert (answer.status, await answer.read()) == (200, b"ok")
                self._count()

    async def come_and_go(self) -> None:
        """A client that makes a connection for each request."""
        while not self._is_over:
            async with await Peer.connect(self.port, None, self.host) as peer:
                answer = await peer.get("/", "Connection: close")
                assert (answer.status, answer.body) == (200, b"ok")
                assert await peer.rest() == b""
            self._count()


@asynccontextmanager
async def crowd(host: str, port: int, clients: int = 4) -> AsyncIterator[Crowd]:
    """So many of each kind, until they leave, at the latest with the context."""
    asking = Crowd(host, port)
    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            asking.tasks += [group.create_task(asking.keep_alive()), group.create_task(asking.come_and_go())]
        await asking.more(20)
        yield asking
        await asking.leaves()
