"""What several tests have a scripted backend do; see backend.py."""

from __future__ import annotations

import asyncio

from tests.doubles.backend import OK, Call

UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
ERROR = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"


async def stall(call: Call) -> None:
    """Never answers."""
    await call.wait_gone()
    call.close()


class Gate:
    """A step that answers as soon as it is let go."""

    def __init__(self) -> None:
        self.permits = asyncio.Semaphore(0)

    async def __call__(self, call: Call) -> None:
        await call.body()
        await self.permits.acquire()
        await call.send(OK)
