"""The backend of the scenarios: `python -m benchmarks.life.origin PORT`.

    /small                      150 bytes
    /fail                       503
    /slow/MILLISECONDS          the same, later
    /download/SECONDS           a body with a length, a piece every 50 ms
    /large                      1 MiB at once
    /stuck                      half a body, and never the rest
    any target with Upgrade     101, and every byte comes back

Owns its targets. Answers in the order of the requests; a client that leaves ends what it asked for.
"""

import asyncio
import re
import signal
import sys
from typing import cast

from benchmarks.backend import SMALL

PIECE = b"0123456789abcdef" * 64
PIECES_PER_SECOND = 20
LARGE = PIECE * 1024

_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_UPGRADE = re.compile(rb"\r\nupgrade:\s*(\w+)", re.IGNORECASE)


def _answer(body: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body


_OK = _answer(SMALL)
_FAIL = _answer(b"no", b"503 Service Unavailable")
_LARGE = _answer(LARGE)


class Origin(asyncio.Protocol):
    """One connection."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._missing = 0
        self._echoes = False
        self._busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self._echoes:
            self._write(data)
            return
        self._buffer += data
        self._go_on()

    def _go_on(self) -> None:
        while self._buffer and not self._busy and self._transport is not None:
            taken = min(self._missing, len(self._buffer))
            self._missing -= taken
            self._buffer = self._buffer[taken:]
            head, mark, rest = self._buffer.partition(b"\r\n\r\n")
            if self._missing or not mark:
                return
            self._buffer = rest
            length = _LENGTH.search(head)
            self._missing = int(length[1]) if length else 0
            self._answer_to(head)

    def _answer_to(self, head: bytes) -> None:
        upgrade = _UPGRADE.search(head)
        target = head.split(b" ", 2)[1]
        kind, _, number = target.strip(b"/").partition(b"/")
        if upgrade:
            self._echoes = True
            self._write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %b\r\n\r\n" % upgrade[1])
            self._write(self._buffer)
        elif kind == b"fail":
            self._write(_FAIL)
        elif kind == b"large":
            self._write(_LARGE)
        elif kind == b"slow":
            self._busy = True
            self._loop.call_later(int(number) / 1e3, self._late)
        elif kind == b"download":
            pieces = int(float(number) * PIECES_PER_SECOND)
            self._write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (pieces * len(PIECE)))
            self._busy = True
            self._piece(pieces)
        elif kind == b"stuck":
            self._busy = True
            self._write(b"HTTP/1.1 200 OK\r\nContent-Length: 2048\r\n\r\n" + PIECE)
        else:
            self._write(_OK)

    def _late(self) -> None:
        self._write(_OK)
        self._free()

    def _piece(self, left: int) -> None:
        self._write(PIECE)
        if left > 1 and self._transport is not None:
            self._loop.call_later(1 / PIECES_PER_SECOND, self._piece, left - 1)
        else:
            self._free()

    def _free(self) -> None:
        self._busy = False
        self._go_on()

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)


async def serve(port: int) -> None:
    """Listen on loopback until SIGTERM. Raises OSError when the port is taken."""
    loop = asyncio.get_running_loop()
    ends = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ends.set)
    server = await loop.create_server(lambda: Origin(loop), "127.0.0.1", port, backlog=4096)
    await ends.wait()
    server.close()


def main(arguments: list[str]) -> None:
    """Serve on the port that is named."""
    import uvloop

    uvloop.run(serve(int(arguments[0])))


if __name__ == "__main__":
    main(sys.argv[1:])
