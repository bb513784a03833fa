"""What an idle keep-alive connection costs: open many, let each make one request, and leave them open."""

import contextlib
import socket
from typing import Self

from benchmarks.answers import AnswerReader
from benchmarks.loads import request_bytes


class IdleConnections:
    """Connections that each made one request and now wait. Closed on leaving the `with` block."""

    __slots__ = ("_open", "_port", "errors")

    def __init__(self, port: int) -> None:
        self._port = port
        self._open: list[socket.socket] = []
        self.errors = 0

    def warm(self, requests: int) -> None:
        """Make `requests` requests over one connection, so that what a proxy allocates once is not counted below."""
        with self._connect() as connection:
            for _ in range(requests):
                self._exchange(connection)

    def open(self, count: int) -> None:
        """Open `count` connections, one after the other, with one request on each."""
        for _ in range(count):
            try:
                connection = self._connect()
            except OSError:
                self.errors += 1
                continue
            self._open.append(connection)
            self._exchange(connection)

    def ended(self) -> int:
        """How many of them the other side has closed meanwhile."""
        found = 0
        for connection in self._open:
            connection.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                found += not connection.recv(1)
        return found

    def _connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._port), timeout=5.0)

    def _exchange(self, connection: socket.socket) -> None:
        reader = AnswerReader()
        try:
            connection.sendall(request_bytes("/small"))
            complete = False
            while not complete:
                received = connection.recv(65536)
                if not received:
                    self.errors += 1
                    return
                complete = reader.feed(received)
        except (OSError, ValueError):
            self.errors += 1
            return
        self.errors += not 200 <= reader.status < 400

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self._open:
            connection.close()
