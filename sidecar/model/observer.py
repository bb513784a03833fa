"""Who is told what happened. Structural: telemetry implements these, the observed never import it.

The methods are on the path of every request, so they take plain values and return nothing; an implementation adds to
slots and formats at scrape time.
"""

from __future__ import annotations

from typing import Protocol

from sidecar.model.outcome import Cause
from sidecar.model.reason import Reason


class RouteObserver(Protocol):
    """Told of the exchanges of one route (or of the requests that matched none)."""

    def started(self) -> None:
        """An exchange began."""

    def finished(self, method: bytes, status: int, seconds: float) -> None:
        """The exchange that began is over; `seconds` from its request's first byte to its end."""

    def rejected(self, rule: str, reason: Reason) -> None:
        """The sidecar answered by itself, because of `rule` (empty where no rule of the file is to blame)."""

    def retried(self, cause: Cause) -> None:
        """An attempt is repeated because of `cause`."""


class UpstreamObserver(Protocol):
    """Told of the attempts and connections of one upstream."""

    def attempt_finished(self, outcome: str, seconds: float) -> None:
        """An attempt ended: `success`, a status class such as `5xx`, or a cause's word."""

    def connected(self, result: str) -> None:
        """A connection was opened (`ok`) or not (`connect_failure`, `connect_timeout`)."""


class NullRouteObserver:
    """Told of everything, keeps nothing."""

    __slots__ = ()

    def started(self) -> None:
        """See RouteObserver."""

    def finished(self, method: bytes, status: int, seconds: float) -> None:
        """See RouteObserver."""

    def rejected(self, rule: str, reason: Reason) -> None:
        """See RouteObserver."""

    def retried(self, cause: Cause) -> None:
        """See RouteObserver."""


class NullUpstreamObserver:
    """Told of everything, keeps nothing."""

    __slots__ = ()

    def attempt_finished(self, outcome: str, seconds: float) -> None:
        """See UpstreamObserver."""

    def connected(self, result: str) -> None:
        """See UpstreamObserver."""
