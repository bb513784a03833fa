"""A constant load offered to a proxy whose clock stands: so many requests with every tick, whatever becomes of them.

An open loop: a slow or failing backend does not make the clients ask less. `statuses` counts the answers.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Self

from tests.doubles.backend import LIMIT_SECONDS
from tests.doubles.clock import TICK
from tests.doubles.peer import Peer
from tests.doubles.running import RunningProxy

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class OfferedLoad:
    """The clients; an async context that waits for their last answers and closes them."""

    def __init__(self, proxy: RunningProxy, per_tick: int, held: Callable[[], int] = lambda: 0) -> None:
        """`held` is how many requests the backend keeps at the moment until time passes."""
        self.proxy = proxy
        self.per_tick = per_tick
        self.sent = 0
        self.statuses: Counter[int] = Counter()
        self._held = held
        self._peers: list[Peer] = []
        self._idle: list[Peer] = []
        self._asked: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for task in self._asked:
            if kind is not None:
                task.cancel()
        try:
            await asyncio.gather(*self._asked, return_exceptions=kind is not None)
        finally:
            for peer in self._peers:
                await peer.close()

    async def offer(self, seconds: float) -> None:
        """Asks for so long."""
        for _ in range(round(seconds / TICK)):
            await self.tick()

    async def tick(self) -> None:
        """One tick's requests; returns when each is answered, or waits for time to pass, and time has passed."""
        for _ in range(self.per_tick):
            task = asyncio.get_running_loop().create_task(self._ask())
            self._asked.add(task)
            task.add_done_callback(self._asked.discard)
        self.sent += self.per_tick
        await self.proxy.until(self._is_quiet)
        await self.proxy.pass_time(TICK)
        await self.proxy.until(self._is_quiet)

    async def finish(self) -> None:
        """Lets time pass until everybody has an answer."""
        async with asyncio.timeout(LIMIT_SECONDS):
            while self._asked:
                await self.proxy.pass_time(TICK)
                await self.proxy.until(self._is_quiet)
                await asyncio.sleep(0)

    def _is_quiet(self) -> bool:
        proxy = self.proxy
        return proxy.heard() >= self.sent and proxy.leased() == self._held() and not proxy.waiting()

    async def _ask(self) -> None:
        if self._idle:
            peer = self._idle.pop()
        else:
            peer = await Peer.connect(self.proxy.port)
            self._peers.append(peer)
        answer = await peer.ask(GET)
        self.statuses[answer.status] += 1
        if answer.get("connection") is None:
            self._idle.append(peer)
