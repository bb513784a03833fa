"""One connection of a client of the soak: it sends what it is told to, and reads answers exactly.

What befalls a client is an outcome, one word: a status, or why there was no whole answer.
"""

import asyncio
import socket
import ssl
import struct
from dataclasses import dataclass
from typing import Self

PATIENCE_SECONDS = 40.0
CLOSED = "closed"  # before the first byte of an answer
CUT = "cut"  # in the middle of one
LATE = "late"  # nothing for PATIENCE_SECONDS
WRONG = "wrong"  # other bytes than the backend had sent

_RST_ON_CLOSE = struct.pack("ii", 1, 0)


class Failed(Exception):  # noqa: N818 - it carries an outcome, which may be an expected one
    """There is no whole answer; the outcome says why."""

    def __init__(self, outcome: str) -> None:
        super().__init__(outcome)
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, or its head."""

    status: int
    fields: dict[str, str]
    body: bytes = b""

    @property
    def keeps(self) -> bool:
        """Whether another request may follow it."""
        return self.fields.get("connection", "").lower() != "close"


class Link:
    """An open connection. Leaving the `with` block closes it, whatever state it is in."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, port: int, tls: ssl.SSLContext | None = None, *, receive: int = 0) -> Self:
        """Connect; `receive` is the size of the kernel's buffer. Raises Failed."""
        sock = socket.socket()
        sock.setblocking(False)
        if receive:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
                made = await asyncio.open_connection(
                    sock=sock, ssl=tls, server_hostname="127.0.0.1" if tls is not None else None, limit=1 << 17
                )
        except (OSError, TimeoutError) as problem:
            sock.close()
            raise Failed("unconnected") from problem
        return cls(*made)

    async def send(self, data: bytes) -> None:
        """Raises Failed where the connection is gone."""
        self.writer.write(data)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self.writer.drain()
        except TimeoutError as problem:
            raise Failed(LATE) from problem
        except OSError as problem:
            raise Failed(CLOSED) from problem

    async def head(self) -> Answer:
        """The head of the next answer. Raises Failed."""
        told = await self._until(b"\r\n\r\n", CLOSED)
        first, *lines = told.decode("latin-1").split("\r\n")[:-2]
        fields = {}
        for line in lines:
            name, _, value = line.partition(":")
            fields[name.lower()] = value.strip()
        return Answer(int(first.split(" ", 2)[1]), fields)

    async def answer(self) -> Answer:
        """The next answer, whole. Raises Failed."""
        head = await self.head()
        if head.status in (204, 304):
            return head
        if head.fields.get("transfer-encoding") == "chunked":
            pieces = []
            while size := int(await self._until(b"\r\n", CUT), 16):
                pieces.append((await self.exactly(size + 2))[:-2])
            await self.exactly(2)
            body = b"".join(pieces)
        else:
            body = await self.exactly(int(head.fields.get("content-length", "0")))
        return Answer(head.status, head.fields, body)

    async def exactly(self, count: int) -> bytes:
        """So many bytes of a body. Raises Failed."""
        return await self._read(self.reader.readexactly(count), CUT)

    async def rest(self) -> bytes:
        """Everything until the end, and nothing where it is cut."""
        try:
            return await self._read(self.reader.read(), CUT)
        except Failed as failed:
            if failed.outcome == LATE:
                raise
            return b""

    def reset(self) -> None:
        """End it with RST."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST_ON_CLOSE)
        self.cut()

    def cut(self) -> None:
        """Close it, whatever state it is in."""
        self.writer.transport.abort()

    async def _until(self, mark: bytes, lost: str) -> bytes:
        return await self._read(self.reader.readuntil(mark), lost)

    async def _read(self, reading: "asyncio.Future[bytes] | object", lost: str) -> bytes:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await reading  # type: ignore[misc,no-any-return]
        except TimeoutError as problem:
            raise Failed(LATE) from problem
        except asyncio.IncompleteReadError as problem:
            raise Failed(CUT if problem.partial else lost) from problem
        except OSError as problem:
            raise Failed(lost) from problem

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cut()
