"""The steady client of the soak: `python -m benchmarks.soak_probe PORT PATH` asks fifty times a second until SIGTERM.

Every five seconds one line of JSON says how long its answers took, from the instant each request was due. It has a
process of its own, so that what the soak itself does is not booked on the proxy.
"""

import gc
import json
import socket
import sys
import time

from benchmarks.answers import AnswerReader
from benchmarks.loads import request_bytes
from benchmarks.paced import percentile

RATE = 50
SECONDS = 5.0
_CONNECTIONS = 5


class Probe:
    """A few kept connections that take turns."""

    def __init__(self, port: int, path: str) -> None:
        self._port = port
        self._request = request_bytes(path)
        self._links = [self._connect() for _ in range(_CONNECTIONS)]

    def window(self, begins: float) -> dict[str, float]:
        """The requests due in the five seconds from `begins` on."""
        latencies, errors = [], 0
        for number in range(round(RATE * SECONDS)):
            due = begins + number / RATE
            time.sleep(max(0.0, due - time.perf_counter()))
            if self._asks(number % _CONNECTIONS):
                latencies.append(time.perf_counter() - due)
            else:
                errors += 1
        latencies.sort()
        return {
            "p50_ms": percentile(latencies, 0.5) * 1e3,
            "p99_ms": percentile(latencies, 0.99) * 1e3,
            "max_ms": percentile(latencies, 1.0) * 1e3,
            "errors": errors,
        }

    def close(self) -> None:
        """Close them."""
        for link in self._links:
            link.close()

    def _asks(self, place: int) -> bool:
        reader = AnswerReader()
        try:
            self._links[place].sendall(self._request)
            while True:
                received = self._links[place].recv(65536)
                if not received:
                    raise ConnectionResetError
                if reader.feed(received):
                    return reader.status == 200
        except (OSError, ValueError):
            self._links[place].close()
            self._links[place] = self._connect()
            return False

    def _connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._port), timeout=10.0)


def main(port: int, path: str) -> None:
    """Tell of one window after the other."""
    gc.disable()
    probe = Probe(port, path)
    begins = time.perf_counter()
    while True:
        sys.stdout.write(json.dumps(probe.window(begins)) + "\n")
        sys.stdout.flush()
        begins += SECONDS


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
