"""A load, and what became of it: how many requests succeeded, failed or found nobody, and how long they took.

Owns the pace and the count. Each request has a connection of its own, as those of so many clients have, and is sent
once: what the caller is told is what one client in so many sees.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

import aiohttp

# How many may be under way at once. Beyond that it falls behind its pace, and catches up later.
_PLACES = 64
_PATIENCE = 30.0
_REPORT_EVERY = 10.0
_NOBODY = "no answer"


class Tally:
    """What became of some requests."""

    def __init__(self) -> None:
        self.ends: Counter[str] = Counter()
        self._seconds: list[float] = []

    def add(self, end: str, seconds: float) -> None:
        """Count one: its status, or that there was no answer."""
        self.ends[end] += 1
        self._seconds.append(seconds)

    @property
    def failed(self) -> int:
        """Those that found nobody or were answered with 5xx."""
        return sum(count for end, count in self.ends.items() if end == _NOBODY or end >= "500")

    def told(self, seconds: float) -> str:
        """All of it in a line; `seconds` is how long it took."""
        count = len(self._seconds)
        if not count:
            return f"no request within {seconds:.1f} s"
        ends = ", ".join(f"{number} × {end}" for end, number in sorted(self.ends.items()))
        ordered = sorted(self._seconds)
        half, most = (round(ordered[int(share * (count - 1))] * 1e3) for share in (0.5, 0.99))
        return (
            f"{count} requests in {seconds:.1f} s: {ends}; {self.failed} failed ({self.failed / count:.1%}); "
            f"half within {half} ms, 99 % within {most} ms"
        )


class Load:
    """GET requests for `url`, `rate` a second: `requests` of them, or until it is told to stop.

    `tell` gets a line about each ten seconds, or one about all of them where their number is given.
    """

    def __init__(self, url: str, rate: float, requests: int | None, tell: Callable[[str], None]) -> None:
        self._url = url
        self._rate = rate
        self._requests = requests
        self._tell = tell
        self._taken = 0
        self._tally = Tally()
        self._leaving = asyncio.Event()
        self._ended = asyncio.Event()

    def stop(self) -> None:
        """Begin no more; those under way end."""
        self._leaving.set()

    async def run(self) -> None:
        """Until all are sent, or it is stopped."""
        connector = aiohttp.TCPConnector(force_close=True, limit=_PLACES)
        timeout = aiohttp.ClientTimeout(total=_PATIENCE)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            await asyncio.gather(self._send_all(session), self._report())

    async def _send_all(self, session: aiohttp.ClientSession) -> None:
        begun = asyncio.get_running_loop().time()
        await asyncio.gather(*(self._keep_sending(session, begun) for _ in range(_PLACES)))
        self._ended.set()

    async def _keep_sending(self, session: aiohttp.ClientSession, begun: float) -> None:
        while self._requests is None or self._taken < self._requests:
            instant = begun + self._taken / self._rate
            self._taken += 1
            if await _within(instant, self._leaving):
                return
            await self._send(session)

    async def _send(self, session: aiohttp.ClientSession) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        try:
            async with session.get(self._url, allow_redirects=False) as answer:
                await answer.read()
                end = str(answer.status)
        except (aiohttp.ClientError, OSError, TimeoutError):
            end = _NOBODY
        self._tally.add(end, loop.time() - begun)

    async def _report(self) -> None:
        loop, over = asyncio.get_running_loop(), False
        while not over:
            begun = loop.time()
            until = None if self._requests is not None else begun + _REPORT_EVERY
            over = await _within(until, self._ended)
            tally, self._tally = self._tally, Tally()
            self._tell(tally.told(loop.time() - begun))


async def _within(instant: float | None, event: asyncio.Event) -> bool:
    """Waits for an event until an instant of the loop's clock; whether it came."""
    try:
        async with asyncio.timeout_at(instant):
            await event.wait()
    except TimeoutError:
        return False
    return True
