"""A raw client: sends the bytes it is given and reads answers by hand, as strictly as RFC 9112 allows.

It accepts no bare LF, no answer with two framings and no bytes that nobody asked for, so whatever the proxy says is
held to the letter. Every read is bounded in time; nothing here sleeps.
"""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import suppress
from typing import Any, Self

from tests.doubles.backend import LIMIT_SECONDS, GoneError, linger_zero


class Answer:
    """One answer. `body` has the framing taken off; `raw` is all of its bytes; `closes` tells it ran until the end."""

    def __init__(self, head: bytes) -> None:
        self.head = head
        self.raw = head
        self.body = b""
        self.trailers = b""
        self.closes = False
        line, _, rest = head.removesuffix(b"\r\n\r\n").partition(b"\r\n")
        version, status, *reason = line.split(b" ", 2)
        if version not in (b"HTTP/1.1", b"HTTP/1.0") or len(status) != 3:
            raise AssertionError(f"not a status line: {line!r}")
        self.version = version
        self.status = int(status)
        self.reason = reason[0] if reason else b""
        self.fields: list[tuple[bytes, bytes]] = []
        for field in rest.split(b"\r\n") if rest else []:
            name, colon, value = field.partition(b":")
            if not colon or not name or name != name.strip():
                raise AssertionError(f"not a field line: {field!r}")
            self.fields.append((name, value.strip(b" \t")))

    def all(self, name: str) -> list[bytes]:
        """Every value of a field, in order, whatever the case of its name."""
        wanted = name.lower().encode()
        return [value for key, value in self.fields if key.lower() == wanted]

    def get(self, name: str) -> bytes | None:
        """The only value of a field; None without one, and an error with more than one."""
        values = self.all(name)
        if len(values) > 1:
            raise AssertionError(f"{name} came {len(values)} times: {values}")
        return values[0] if values else None

    @property
    def problem(self) -> dict[str, Any]:
        """The body, which must be a problem+json object."""
        if self.get("content-type") != b"application/problem+json":
            raise AssertionError(f"not a problem: {self.raw[:500]!r}")
        problem = json.loads(self.body)
        if not isinstance(problem, dict):
            raise AssertionError(f"not an object: {self.body!r}")
        return problem


class Peer:
    """One connection to the proxy; an async context that closes it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(
        cls, port: int | str, receive_buffer: int | None = None, host: str = "127.0.0.1", source: str | None = None
    ) -> Self:
        """Connects to a port of loopback, or to the path of a unix socket; from an address where one is given."""
        async with asyncio.timeout(LIMIT_SECONDS):
            if isinstance(port, str):
                return cls(*await asyncio.open_unix_connection(port))
            sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
            if receive_buffer is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            sock.setblocking(False)
            try:
                if source is not None:
                    sock.bind((source, 0))
                await asyncio.get_running_loop().sock_connect(sock, (host, port))
            except BaseException:
                sock.close()
                raise
            limit = receive_buffer or 65536
            return cls(*await asyncio.open_connection(sock=sock, limit=limit))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def send(self, data: bytes) -> None:
        """Sends bytes as they are, and waits while the proxy does not read."""
        self.writer.write(data)
        async with asyncio.timeout(LIMIT_SECONDS):
            await self.writer.drain()

    async def ask(self, data: bytes) -> Answer:
        """Sends one request and reads its answer; the method is read from the bytes."""
        await self.send(data)
        return await self.answer(data.split(b" ", 1)[0])

    async def get(self, target: str = "/", *fields: str) -> Answer:
        """Asks with GET for a target of host `test`."""
        lines = [f"GET {target} HTTP/1.1", "Host: test", *fields, "", ""]
        return await self.ask("\r\n".join(lines).encode())

    async def head(self) -> Answer:
        """The next head, interim or final, without its body."""
        return Answer(await self.until(b"\r\n\r\n"))

    async def answer(self, method: bytes = b"GET") -> Answer:
        """The next final answer, complete. GoneError when the connection ends before it does."""
        while (answer := await self.head()).status < 200:
            if answer.status == 101:
                return answer
        if method == b"HEAD" or answer.status in (204, 304):
            return answer
        await self._body(answer)
        return answer

    async def _body(self, answer: Answer) -> None:
        coding, length = answer.get("transfer-encoding"), answer.get("content-length")
        if coding is not None and length is not None:
            raise AssertionError("an answer with two framings")
        if coding is not None:
            if coding != b"chunked":
                raise AssertionError(f"an unknown coding: {coding!r}")
            while (chunk := await self.chunk(answer)) is not None:
                answer.body += chunk
        elif length is not None:
            answer.body = await self.exactly(int(length))
            answer.raw += answer.body
        else:
            answer.closes = True
            answer.body = await self.rest()
            answer.raw += answer.body

    async def chunk(self, answer: Answer) -> bytes | None:
        """The next chunk of a chunked answer; None after the last, with the answer's trailers filled in."""
        line = await self.until(b"\r\n")
        answer.raw += line
        size = int(line.split(b";")[0], 16)
        if size:
            data = await self.exactly(size + 2)
            if not data.endswith(b"\r\n"):
                raise AssertionError(f"a chunk does not end where it says: {data[-10:]!r}")
            answer.raw += data
            return data[:-2]
        while (line := await self.until(b"\r\n")) != b"\r\n":
            answer.raw += line
            answer.trailers += line
        answer.raw += line
        return None

    async def until(self, mark: bytes) -> bytes:
        """Bytes up to and with `mark`; GoneError if the end comes first."""
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                data = await self.reader.readuntil(mark)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise GoneError(getattr(error, "partial", b"")) from None
        if mark == b"\r\n\r\n" and b"\n" in data.replace(b"\r\n", b""):
            raise AssertionError(f"a bare LF in a head: {data!r}")
        return data

    async def exactly(self, count: int) -> bytes:
        """The next `count` bytes; GoneError if the end comes first."""
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                return await self.reader.readexactly(count)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise GoneError(getattr(error, "partial", b"")) from None

    async def rest(self) -> bytes:
        """Everything until the proxy's FIN; GoneError when it cuts the connection instead."""
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                return await self.reader.read()
        except ConnectionError:
            raise GoneError from None

    async def ended(self) -> bytes:
        """Waits for the end of the connection, FIN or RST alike; returns what came before it."""
        received = b""
        # After an RST, uvloop's half-close says ENOTCONN, which is no ConnectionError. (TimeoutError is an OSError.)
        async with asyncio.timeout(LIMIT_SECONDS):
            with suppress(OSError):
                while data := await self.reader.read(65536):
                    received += data
        return received

    def half_close(self) -> None:
        """FIN: nothing more will be sent, but the answer is still read."""
        self.writer.write_eof()

    def reset(self) -> None:
        """RST, at once."""
        linger_zero(self.writer)
        self.writer.transport.abort()

    async def close(self) -> None:
        """Closes and waits until the socket is given back."""
        self.writer.close()
        with suppress(ConnectionError, OSError):
            async with asyncio.timeout(LIMIT_SECONDS):
                await self.writer.wait_closed()
