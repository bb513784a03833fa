"""The backend at the end of a chain: keeps what it reads, and says in each answer which reading it answers.

Owns the bytes that arrive. It reads them by the letter (reading.py) and forgives nothing: what cannot be read ends the
connection and stays in `unreadable`.
"""

from __future__ import annotations

import asyncio
from typing import Self

from tests.differential.reading import Reading, UnreadableError, request_at


class _Connection(asyncio.Protocol):
    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._data = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._recorder.open.add(transport)

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._data += data
        try:
            while (request := request_at(self._data)) is not None:
                self._data = self._data[len(request.raw) :]
                self._transport.write(self._recorder.answer(request))
        except UnreadableError as fault:
            self._recorder.unreadable.append(f"{fault}, in {self._data!r}")
            self._data = b""
            self._transport.abort()

    def connection_lost(self, _: Exception | None) -> None:
        if self._transport is not None:
            self._recorder.open.discard(self._transport)


class Recorder:
    """The backend; an async context. `readings` are all requests in order; `unreadable` says of what was none."""

    def __init__(self) -> None:
        self.readings: list[Reading] = []
        self.unreadable: list[str] = []
        self.open: set[asyncio.Transport] = set()
        self.port = 0
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for transport in list(self.open):
            transport.abort()
        await self._server.wait_closed()

    def answer(self, request: Reading) -> bytes:
        """Keeps a reading; an answer without a body that has its number."""
        self.readings.append(request)
        return b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Read: %d\r\n\r\n" % (len(self.readings) - 1)
