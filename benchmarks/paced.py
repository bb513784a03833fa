"""Load at a fixed rate: `python -m benchmarks.paced PORT PATH RATE SECONDS CONNECTIONS` prints one verdict line.

Request number i is due at start + i / rate, whatever happened before it, and its latency counts from that instant. A
proxy that stalls for 100 ms therefore makes every request due in those 100 ms late, as it would for real callers; a
generator that waits for the answer before it sends the next would have recorded one slow request and omitted the rest
(coordinated omission). When no connection is free the request waits for one, and that wait counts too.

Plain sockets and select(2), not an event loop: select waits by the microsecond, epoll as Python has it by the
millisecond.
"""

import gc
import json
import math
import select
import socket
import sys
import time
from collections import deque
from collections.abc import Sequence

from benchmarks.answers import AnswerReader
from benchmarks.loads import request_bytes

_GRACE_SECONDS = 5.0


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` (0..1) of the sorted values do not exceed; NaN without values."""
    if not ordered:
        return math.nan
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


class PacedLoad:
    """One run against one port. `latencies` are seconds, `errors` counts bad answers and unanswered requests."""

    __slots__ = ("_busy", "_free", "_port", "_request", "errors", "latencies")

    def __init__(self, port: int, path: str, connections: int) -> None:
        self._port = port
        self._request = request_bytes(path)
        # First in, first out: every connection takes its turn, none goes idle.
        self._free: deque[socket.socket] = deque(self._connect() for _ in range(connections))
        self._busy: dict[socket.socket, tuple[float, AnswerReader]] = {}
        self.latencies: list[float] = []
        self.errors = 0

    def run(self, rate: float, seconds: float) -> float:
        """Send rate x seconds requests when each is due; returns how long it took until the last answer."""
        total = round(rate * seconds)
        sent = 0
        start = time.perf_counter()
        limit = start + seconds + _GRACE_SECONDS
        while sent < total or self._busy:
            now = time.perf_counter()
            if now > limit:
                break
            while sent < total and self._free and start + sent / rate <= now:
                self._send(start + sent / rate)
                sent += 1
            due = start + sent / rate if sent < total and self._free else limit
            readable, _, _ = select.select(list(self._busy), (), (), max(0.0, due - time.perf_counter()))
            for connection in readable:
                self._receive(connection)
        self.errors += len(self._busy) + total - sent
        return time.perf_counter() - start

    def close(self) -> None:
        """Close every connection."""
        for connection in (*self._free, *self._busy):
            connection.close()

    def _connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self._port), timeout=5.0)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _send(self, due: float) -> None:
        connection = self._free.popleft()
        try:
            connection.sendall(self._request)
        except OSError:
            self._replace(connection)
        else:
            self._busy[connection] = (due, AnswerReader())

    def _receive(self, connection: socket.socket) -> None:
        due, reader = self._busy[connection]
        try:
            received = connection.recv(65536)
            complete = bool(received) and reader.feed(received)
        except (OSError, ValueError):
            received, complete = b"", False
        if not received:
            del self._busy[connection]
            self._replace(connection)
        elif complete:
            del self._busy[connection]
            self._free.append(connection)
            if 200 <= reader.status < 400:
                self.latencies.append(time.perf_counter() - due)
            else:
                self.errors += 1

    def _replace(self, connection: socket.socket) -> None:
        self.errors += 1
        connection.close()
        try:
            self._free.append(self._connect())
        except OSError:
            # One connection fewer: the requests that wait for one say the rest.
            return


def main(arguments: Sequence[str]) -> None:
    """Run once and print the verdict."""
    port, path, rate, seconds, connections = arguments
    # A collection in the middle would be booked on the proxy.
    gc.disable()
    load = PacedLoad(int(port), path, int(connections))
    took = load.run(float(rate), float(seconds))
    load.close()
    ordered = sorted(load.latencies)
    verdict = {
        "requests": len(ordered),
        "seconds": took,
        "errors": load.errors,
        "p50_ms": percentile(ordered, 0.50) * 1e3,
        "p99_ms": percentile(ordered, 0.99) * 1e3,
        "max_ms": percentile(ordered, 1.0) * 1e3,
    }
    sys.stdout.write("VERDICT " + json.dumps(verdict) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
