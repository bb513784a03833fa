"""WebSockets that stay open: raw 101 tunnels through the proxy, over which a message goes to and fro all the time."""

import asyncio
import secrets
from contextlib import suppress
from typing import Self

_PATIENCE_SECONDS = 10.0
_PAUSE_SECONDS = 0.1
_SIZE = 64


class Echoes:
    """An async context of `count` tunnels. `messages` have come back whole; `closed` tunnels ended by themselves."""

    def __init__(self, port: int, count: int) -> None:
        self.count = count
        self.messages = 0
        self.closed = 0
        self._port = port
        self._open: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        for _ in range(self.count):
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            head = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            writer.write(
                f"{head}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n".encode()
            )
            async with asyncio.timeout(_PATIENCE_SECONDS):
                answer = await reader.readuntil(b"\r\n\r\n")
            if not answer.startswith(b"HTTP/1.1 101"):
                raise ConnectionError(f"no tunnel: {answer[:200]!r}")
            self._open.append((reader, writer))
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._talk(*one)) for one in self._open]
        return self

    async def __aexit__(self, *_exc: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for _, writer in self._open:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                # A whole frame, for a proxy may follow their borders: final, binary, unmasked.
                message = bytes((0x82, _SIZE)) + secrets.token_bytes(_SIZE)
                writer.write(message)
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    if await reader.readexactly(len(message)) != message:
                        raise ConnectionError("another message came back")
                self.messages += 1
                await asyncio.sleep(_PAUSE_SECONDS)
        except (OSError, EOFError, TimeoutError):
            self.closed += 1
