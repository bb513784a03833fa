"""One finished exchange as the access log writes it.

Filled by attribute and kept in the forms it arrived in: text is made of it only when a line is really written.
"""

from __future__ import annotations

from sidecar.model.reason import Reason


class ExchangeRecord:
    """The fields of an access log line; `reason` is None when the answer came from the upstream.

    `path` is without the query, which may hold secrets. `detail` says what went wrong, for the operator; it
    may name an address, which the client is never told. `fallback` is the kind of the fallback that answered (`static`,
    `stale`), empty when none did. `duration_ms` runs from the request's first byte to the end
    of its exchange; `bytes_in` and `bytes_out` count body bytes on the downstream side.
    """

    __slots__ = (
        "attempts",
        "bytes_in",
        "bytes_out",
        "client",
        "detail",
        "duration_ms",
        "endpoint",
        "fallback",
        "method",
        "path",
        "reason",
        "request_id",
        "route",
        "rule",
        "status",
        "trace_id",
        "upstream",
    )

    def __init__(self) -> None:
        self.request_id = b""
        self.trace_id = b""
        self.route = ""
        self.method = b""
        self.path = b""
        self.status = 0
        self.reason: Reason | None = None
        self.rule = ""
        self.duration_ms = 0.0
        self.upstream = ""
        self.endpoint = ""
        self.attempts = 0
        self.fallback = ""
        self.bytes_in = 0
        self.bytes_out = 0
        self.client = ""
        self.detail = ""


class ExchangeLog:
    """Where finished exchanges are written; by itself it wants none. A base class as the observers are."""

    __slots__ = ()

    def wants(self, status: int, refused: bool, seconds: float) -> bool:
        """Whether a record of such an exchange is to be written, asked once of each when it is over, so that others are
        not even made. `refused` when the sidecar or a fallback answered by itself; `seconds` as in `duration_ms`."""
        return False

    def exchange(self, record: ExchangeRecord) -> None:
        """Writes one that is wanted; never raises."""
