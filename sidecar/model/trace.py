"""One finished exchange as a tracer is told of it: its span, and one for each of its attempts.

Made only for exchanges whose trace is recorded. Instants are monotonic seconds; identifiers are lower-case hexadecimal
digits, as W3C Trace Context writes them.
"""

from __future__ import annotations

from sidecar.model.reason import Reason

# What a client makes longer than this is a client's to keep: thousands may wait for a collector that is away, and a
# span is read, and paid for, by its bytes.
LONGEST_TEXT = 2048


class AttemptTrace:
    """One attempt. `outcome` is the word of `attempts_total`: `success`, a status class such as `5xx`, or a cause such
    as `connect_timeout`; `status` is 0 where no head came. `span_id` is empty where nothing was sent. `scheme` is the
    endpoint's."""

    __slots__ = ("ended", "endpoint", "outcome", "scheme", "span_id", "started", "status", "upstream")

    def __init__(self) -> None:
        self.span_id = b""
        self.upstream = ""
        self.endpoint = ""
        self.scheme = "http"
        self.outcome = ""
        self.status = 0
        self.started = 0.0
        self.ended = 0.0


class ExchangeTrace:
    """One exchange. `parent_id` is the caller's span, empty where the trace began here. `pattern` is the path that its
    route matches, as the rules write it; `path` is without the query, which may hold secrets; `sent_path` is what a
    rewrite made of it for the upstream, empty where none did. What came from outside is at most LONGEST_TEXT
    bytes: a text is cut there, a longer `tracestate` is left out, as half of it would be another. `reason` and `rule`
    say why the sidecar answered by itself, None and empty where it did not."""

    # fmt: off
    __slots__ = (
        "attempts", "client", "ended", "host", "method", "minor_version", "parent_id", "path", "pattern", "reason",
        "request_id", "route", "rule", "scheme", "sent_path", "span_id", "started", "status", "trace_id", "tracestate",
    )
    # fmt: on

    def __init__(self) -> None:
        self.trace_id = b""
        self.span_id = b""
        self.parent_id = b""
        self.tracestate = b""
        self.request_id = b""
        self.method = b""
        self.scheme = ""
        self.host = b""
        self.path = b""
        self.sent_path = b""
        self.minor_version = 1
        self.client = ""
        self.route = ""
        self.pattern = ""
        self.status = 0
        self.reason: Reason | None = None
        self.rule = ""
        self.started = 0.0
        self.ended = 0.0
        self.attempts: list[AttemptTrace] = []


class ExchangeTracer:
    """Where finished exchanges are traced to; by itself nowhere. A base class as the observers are."""

    __slots__ = ()

    def exchange(self, trace: ExchangeTrace) -> None:
        """Takes one exchange. Never raises and never waits."""
