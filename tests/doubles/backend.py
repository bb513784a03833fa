"""A scripted HTTP/1 backend on a raw socket: it says exactly the bytes it is told to, and keeps every byte it was sent.

`Backend(*script)` plays one step per request, the last step for all that follow. A step is the bytes of an answer, sent
once the request is complete, or a coroutine function that is handed the `Call` and does as it likes. The backend reads
requests strictly (a length or chunks, nothing else) and by hand, so it shares no mistake with the code under test.
Leaving the context cuts every connection and fails the test if a script raised.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Self

LIMIT_SECONDS = 10.0
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


# A client's address and port, and those that it had reached.
Announced = tuple[str, int, str, int]


class GoneError(Exception):
    """The other side closed or reset the connection."""


def linger_zero(writer: asyncio.StreamWriter) -> None:
    """Makes the next close of this socket a RST; one that the other side has closed already stays as it is."""
    sock = writer.get_extra_info("socket")
    if sock is not None:
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@contextmanager
def refusing() -> Iterator[int]:
    """A port that refuses, and that nobody else can be given meanwhile: bound, and not listened on."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", 0))
        yield int(sock.getsockname()[1])


class Request:
    """One request as it arrived. `raw` is every byte of it, head and framed body; `body` has the framing taken off."""

    def __init__(self, head: bytes) -> None:
        self.head = head
        self.raw = head
        self.body = b""
        self.trailers = b""
        line, _, rest = head.removesuffix(b"\r\n\r\n").partition(b"\r\n")
        self.line = line
        self.method, self.target, self.version = line.split(b" ")
        self.fields: list[tuple[bytes, bytes]] = []
        for field in rest.split(b"\r\n") if rest else []:
            name, colon, value = field.partition(b":")
            if not colon:
                raise ValueError(f"a field line without a colon was forwarded: {field!r}")
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


class Connection:
    """One accepted connection. `received` is everything that ever arrived on it, requests or not; `announced` what a
    PROXY header has said of it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.received = bytearray()
        self.requests: list[Request] = []
        self.gone = asyncio.Event()
        self._buffer = bytearray()
        self.announced: Announced | None = None

    async def more(self) -> bool:
        """Takes whatever arrives next; False at its end."""
        try:
            data = await self.reader.read(65536)
        except ConnectionError:
            data = b""
        if not data:
            self.gone.set()
            return False
        self.received += data
        self._buffer += data
        return True

    async def until(self, mark: bytes) -> bytes:
        """Bytes up to and with `mark`; GoneError if the end comes first."""
        while (at := self._buffer.find(mark)) < 0:
            if not await self.more():
                raise GoneError
        return self._take(at + len(mark))

    async def header(self) -> Announced | None:
        """Reads the PROXY header that the connection must begin with; None where it tells of nobody."""
        first = await self.exactly(6)
        if first == b"PROXY ":
            kind, *words = (await self.until(b"\r\n")).decode("ascii").split()
            if kind == "UNKNOWN":
                return None
            source, destination, source_port, destination_port = words
            return source, int(source_port), destination, int(destination_port)
        fixed = first + await self.exactly(10)
        if not fixed.startswith(b"\r\n\r\n\x00\r\nQUIT\n"):
            raise AssertionError(f"no PROXY header: {fixed!r}")
        block = await self.exactly(int.from_bytes(fixed[14:], "big"))
        if fixed[12] == 0x20:
            return None
        size = {b"\x21\x11": 4, b"\x21\x21": 16}[fixed[12:14]]
        ends = [str(ip_address(block[at : at + size])) for at in (0, size)]
        source_port, destination_port = struct.unpack("!HH", block[2 * size : 2 * size + 4])
        return ends[0], source_port, ends[1], destination_port

    async def exactly(self, count: int) -> bytes:
        """The next `count` bytes; GoneError if the end comes first."""
        while len(self._buffer) < count:
            if not await self.more():
                raise GoneError
        return self._take(count)

    async def some(self) -> bytes:
        """Whatever is there, at least a byte; empty at the end."""
        if not self._buffer and not await self.more():
            return b""
        return self._take(len(self._buffer))

    def _take(self, count: int) -> bytes:
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken


class Call:
    """One request being answered by a script: read the rest of it, answer, break off."""

    def __init__(self, backend: Backend, connection: Connection, request: Request) -> None:
        self.backend = backend
        self.connection = connection
        self.request = request
        self._complete = False
        self.keep = True

    async def body(self) -> bytes:
        """Reads the request to its end and returns its body."""
        request = self.request
        if self._complete:
            return request.body
        if request.get("transfer-encoding") is not None:
            await self._chunks()
        elif (length := request.get("content-length")) is not None:
            request.body = await self.connection.exactly(int(length))
            request.raw += request.body
        self._complete = True
        return request.body

    async def _chunks(self) -> None:
        request, connection = self.request, self.connection
        if request.get("content-length") is not None:
            raise AssertionError("a request with two framings was forwarded")
        while True:
            line = await connection.until(b"\r\n")
            size = int(line.split(b";")[0].strip(), 16)
            request.raw += line
            if size == 0:
                break
            data = await connection.exactly(size + 2)
            if not data.endswith(b"\r\n"):
                raise AssertionError(f"a chunk does not end where it says: {data[-10:]!r}")
            request.raw += data
            request.body += data[:-2]
        while (line := await connection.until(b"\r\n")) != b"\r\n":
            request.raw += line
            request.trailers += line
        request.raw += line

    async def send(self, data: bytes) -> None:
        """Sends bytes as they are, and waits while the other side does not read."""
        self.connection.writer.write(data)
        try:
            await self.connection.writer.drain()
        except ConnectionError:
            self.connection.gone.set()
            raise GoneError from None

    async def wait_gone(self) -> None:
        """Waits until the proxy has closed or reset this connection."""
        while await self.connection.more():
            pass

    def close(self) -> None:
        """FIN, after what was sent; the connection ends with this call."""
        self.keep = False

    def reset(self) -> None:
        """RST, at once."""
        linger_zero(self.connection.writer)
        self.connection.writer.transport.abort()
        self.keep = False


Step = bytes | Callable[[Call], Awaitable[None]]


class Backend:
    """The backend; an async context, over TLS where `tls` is how, on a unix socket at `path` where one is given. `url`,
    `port`, `requests` in the order they began, `connections` as accepted, which begin with a PROXY header where they
    are to be `announced`."""

    def __init__(
        self,
        *script: Step,
        port: int = 0,
        receive_buffer: int | None = None,
        tls: ssl.SSLContext | None = None,
        path: Path | None = None,
        announced: bool = False,
    ) -> None:
        self._path = path
        self._announced = announced
        self.script: list[Step] = list(script or (OK,))
        self.requests: list[Request] = []
        self.connections: list[Connection] = []
        self.port = port
        self.errors: list[BaseException] = []
        self._receive_buffer = receive_buffer
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Condition()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Where it listens, as an endpoint is written in the rules."""
        if self._path is not None:
            return f"http://unix:{self._path}"
        return f"{'http' if self._tls is None else 'https'}://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        if self._path is not None:
            self._server = await asyncio.start_unix_server(self._accepted, self._path)
            return self
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if self._receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer)
        sock.bind(("127.0.0.1", self.port))
        self._server = await asyncio.start_server(self._accepted, sock=sock, ssl=self._tls)
        self.port = int(sock.getsockname()[1])
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        await self.stop()
        if kind is None and self.errors:
            raise self.errors[0]

    async def stop(self) -> None:
        """Stops listening, cuts every connection and waits for every script to be over."""
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        for connection in self.connections:
            connection.writer.transport.abort()
        async with asyncio.timeout(LIMIT_SECONDS):
            while self._tasks:
                # Not gather: of tasks that are all done it gives way to nobody since Python 3.12.
                await asyncio.wait(self._tasks)
            for connection in self.connections:
                with suppress(ConnectionError, OSError):
                    await connection.writer.wait_closed()
            if self._server is not None:
                await self._server.wait_closed()
                self._server = None

    async def wait_requests(self, count: int) -> Request:
        """Waits until `count` requests have begun; returns the last of them."""
        async with asyncio.timeout(LIMIT_SECONDS), self._changed:
            await self._changed.wait_for(lambda: len(self.requests) >= count)
        return self.requests[count - 1]

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(reader, writer)
        self.connections.append(connection)
        task = asyncio.get_running_loop().create_task(self._serve(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, connection: Connection) -> None:
        try:
            if self._announced:
                connection.announced = await connection.header()
            while await self._one(connection):
                pass
        except (GoneError, ConnectionError, asyncio.CancelledError):
            pass
        except Exception as error:
            self.errors.append(error)
        finally:
            connection.gone.set()
            connection.writer.close()

    async def _one(self, connection: Connection) -> bool:
        request = Request(await connection.until(b"\r\n\r\n"))
        step = self.script[min(len(self.requests), len(self.script) - 1)]
        self.requests.append(request)
        connection.requests.append(request)
        async with self._changed:
            self._changed.notify_all()
        call = Call(self, connection, request)
        if isinstance(step, bytes):
            await call.body()
            await call.send(step)
        else:
            await step(call)
            if call.keep:
                await call.body()
        return call.keep
