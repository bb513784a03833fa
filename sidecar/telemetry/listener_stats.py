"""What one listener counts of its connections before a request comes: PROXY headers, TLS handshakes.

May not know label formats.
"""

from __future__ import annotations

from bisect import bisect_left

from sidecar.model.observer import TlsObserver

# Upper bounds in seconds, inclusive: from a resumed handshake on the same machine to one that times out.
HANDSHAKE_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class ListenerStats(TlsObserver):
    """What happened at one listener. `seconds` and `buckets` are those of handshakes that came to a connection;
    `proxy_headers` are counted by what they came to; `gave_way` are connections ended for newcomers."""

    __slots__ = ("buckets", "gave_way", "handshakes", "proxy_headers", "seconds")

    def __init__(self) -> None:
        self.handshakes: dict[str, int] = {}
        self.buckets: list[int] = [0] * (len(HANDSHAKE_BOUNDS) + 1)
        self.seconds = 0.0
        self.proxy_headers: dict[str, int] = {}
        self.gave_way = 0

    def announced(self, result: str) -> None:
        """A PROXY header was read, or not."""
        self.proxy_headers[result] = self.proxy_headers.get(result, 0) + 1

    def handshake(self, result: str, seconds: float) -> None:
        """A handshake ended."""
        self.handshakes[result] = self.handshakes.get(result, 0) + 1
        if result in ("ok", "resumed"):
            self.buckets[bisect_left(HANDSHAKE_BOUNDS, seconds)] += 1
            self.seconds += seconds
