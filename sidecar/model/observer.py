"""Who is told what happened: telemetry implements these, the observed never import it.

The methods are on the path of every request, so they take plain values and return nothing; an implementation adds to
slots and formats at scrape time. By themselves they keep nothing. Base classes for the reason that the streams are
(docs/adr/0004).
"""

from __future__ import annotations

from sidecar.model.reason import Reason


class RouteObserver:
    """Told of the exchanges of one route (or of the requests that matched none)."""

    __slots__ = ()

    def started(self) -> None:
        """An exchange began."""

    def finished(self, method: bytes, status: int, seconds: float, trace_id: bytes, sampled: bool) -> None:
        """The exchange that began is over; `seconds` from its request's first byte to its end.

        `trace_id` is empty where it is in no trace; `sampled`: somebody records that trace."""

    def rejected(self, rule: str, reason: Reason) -> None:
        """The sidecar answered by itself, because of `rule` (empty where no rule of the file is to blame)."""

    def shadow_rejected(self, rule: str, reason: Reason) -> None:
        """`rule` would have answered, but is in shadow mode: the request went on."""

    def retried(self, reason: str) -> None:
        """An attempt is repeated because of `reason`: a cause's word or a status."""

    def retry_skipped(self, why: str) -> None:
        """An attempt that the rules would repeat is not: `budget`, `body_too_large`, `not_idempotent`, `deadline`,
        `circuit_open`."""

    def fell_back(self, kind: str, cause: str) -> None:
        """The route's fallback answered (`static`, `stale`, or `shadow` when it only would have) instead of `cause`."""


class UpstreamObserver:
    """Told of the attempts and connections of one upstream."""

    __slots__ = ()

    def attempt_finished(self, outcome: str, seconds: float) -> None:
        """An attempt ended: `success`, a status class such as `5xx`, or a cause's word."""

    def connected(self, result: str) -> None:
        """A connection was opened (`ok`) or not (`connect_failure`, `connect_timeout`, `pool_full`)."""

    def ejected(self, endpoint: str, seconds: float) -> None:
        """An endpoint is taken out for `seconds` after too many failures in a row."""

    def readmitted(self, endpoint: str) -> None:
        """An ejected endpoint takes attempts again."""

    def checked(self, endpoint: str, result: str) -> None:
        """A health check of an endpoint ended: `success`, or the kind of failure."""

    def health_changed(self, endpoint: str, up: bool, why: str, shadow: bool) -> None:
        """Checks found an endpoint up or down, and `why`; in shadow mode nothing follows from it."""

    def hold_counted(self, result: str) -> None:
        """What became of a request that found no endpoint: it is `held` or `refused`; one that was held is `released`,
        has `timed_out` or has `left`. In shadow mode it only would be: `shadow_held`, `shadow_refused`."""

    def hold_began(self) -> None:
        """No endpoint is available, and the first request waits for one."""

    def hold_ended(self, released: int, seconds: float) -> None:
        """An endpoint is available, `seconds` after holding began; so many are being let go."""


class BreakerObserver:
    """Told of one circuit breaker's transitions, after each is complete."""

    __slots__ = ()

    def transition(self, before: str, after: str, why: str) -> None:
        """From one state to another (`closed`, `open`, `half_open`), with a sentence that says why."""


class TlsObserver:
    """Told of the TLS handshakes of one listener."""

    __slots__ = ()

    def handshake(self, result: str, seconds: float) -> None:
        """A handshake ended: `ok`, `resumed`, or the word of what was wrong; `seconds` from the first byte on."""


class Unobserved:
    """Gives out observers that keep nothing, for a runtime that nobody looks at."""

    def route(self, name: str) -> RouteObserver:
        """Of the route of this name."""
        return RouteObserver()

    def upstream(self, name: str) -> UpstreamObserver:
        """Of the upstream of this name."""
        return UpstreamObserver()

    def breaker(self, label: str) -> BreakerObserver:
        """Of the breaker with this label."""
        return BreakerObserver()
