"""When to stop calling what keeps failing, and when to try again. Here: what a rule may say about it.

Knows no clock; closed passes, open refuses, half_open admits a few.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from sidecar.policies.units import Count, Mode, Off, Ratio, Seconds, demand


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitBreakerSpec:
    """Open after too many failed or slow attempts in a window; half open after a while."""

    failure_ratio: Annotated[Ratio, "share of failed attempts in the window that opens it"] = 0.5
    slow_ratio: Annotated[Ratio, "share of slow attempts in the window that opens it"] = 1.0
    slow_after: Annotated[Seconds | None, Off(), "an attempt that takes longer is slow; 0 switches it off"] = 5.0
    consecutive_failures: Annotated[Count | None, Off(), "failures in a row that open it; 0 switches it off"] = None
    min_requests: Annotated[Count, "attempts in the window before a ratio means anything"] = 10
    window: Annotated[Seconds, "how far back attempts are counted"] = 10.0
    open_for: Annotated[Seconds, "how long it stays open the first time; doubles each time it opens again"] = 30.0
    max_open_for: Annotated[Seconds, "longest time it stays open"] = 300.0
    half_open_requests: Annotated[Count, "attempts admitted at a time to find out whether it has recovered"] = 3
    mode: Mode = "enforce"

    def __post_init__(self) -> None:
        demand(
            ("failure_ratio", self.failure_ratio > 0, "must be more than 0, or one success would open the breaker"),
            ("slow_ratio", self.slow_ratio > 0, "must be more than 0; to ignore slowness set slow_after: 0s"),
            ("min_requests", self.min_requests >= 1, "must be at least 1"),
            ("window", 1.0 <= self.window <= 3600.0, "must be from 1s to 1h; it is counted in slices of a second"),
            ("open_for", self.open_for > 0, "must be more than 0"),
            ("max_open_for", self.max_open_for >= self.open_for, "must be at least open_for"),
            ("half_open_requests", self.half_open_requests >= 1, "must be at least 1, or it could never close again"),
        )
