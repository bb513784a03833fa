"""Several workers as one instance, seen from outside: which of them serves whom, and what becomes of them."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from tests.doubles.kernel import Ends, holder, port_of
from tests.doubles.peer import Peer
from tests.doubles.process import START_SECONDS, ProxyProcess, process

WORKERS = 3
_MOST_CONNECTIONS = 400


class RunningCrew:
    """An instance of WORKERS workers. `pids` are theirs, by place."""

    def __init__(self, proxy: ProxyProcess, pids: list[int], stack: AsyncExitStack) -> None:
        self.proxy = proxy
        self.pids = pids
        self._stack = stack

    async def peer(self) -> Peer:
        """A client that is closed at the end."""
        return await self._stack.enter_async_context(self.proxy.peer())

    def server_of(self, peer: Peer) -> int | None:
        """The worker that has accepted this client."""
        return holder(self.pids, self.proxy.port, port_of(peer))

    async def peers(self, each: int = 1, target: str = "/") -> dict[int, list[Peer]]:
        """At least so many clients of every worker, by its process; each has asked once, so that it is accepted."""
        found: dict[int, list[Peer]] = {pid: [] for pid in self.pids}
        for _ in range(_MOST_CONNECTIONS):
            if all(len(peers) >= each for peers in found.values()):
                return found
            peer = await self.peer()
            await peer.get(target)
            found[self.server_of(peer) or 0].append(peer)
        raise AssertionError(f"not every worker accepts: {found}")

    async def kill(self, slot: int) -> Ends:
        """SIGKILL for one worker; its end can be waited for."""
        ends = Ends([self.pids[slot]])
        os.kill(self.pids[slot], signal.SIGKILL)
        return ends

    async def whole(self) -> None:
        """Waits until every place has a worker that serves, and learns who they are."""
        told = await self.proxy.until(lambda told: all(member["phase"] == "serving" for member in told["workers"]))
        self.pids = [member["pid"] for member in told["workers"]]

    async def replaced(self, slot: int, restarts: int = 1) -> None:
        """Waits until the place of a worker that was killed has its successor, which serves."""
        await self.proxy.said(f'worker {slot}: serves again".*"restarts": {restarts}[,}}]', START_SECONDS)
        await self.whole()


@asynccontextmanager
async def crew(
    *urls: str, sets: tuple[str, ...] = (), rules: Path | None = None, workers: int = WORKERS
) -> AsyncIterator[RunningCrew]:
    """Several workers in front of these endpoints, or under this rules file."""
    async with (
        process(*urls, sets=sets, rules=rules, workers=workers) as proxy,
        AsyncExitStack() as stack,
        asyncio.timeout(4 * START_SECONDS),
    ):
        made = RunningCrew(proxy, [], stack)
        await made.whole()
        yield made
