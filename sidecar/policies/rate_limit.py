"""How many requests a route admits over time, as a token bucket per key. Here: what a rule may say about it.

Knows no clock; the bucket itself (GCRA) takes `now`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from sidecar.policies.units import Count, KeySource, Mode, Name, Number, OneOrMany, PerSecond, Seconds, demand


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimitSpec:
    """At most so many requests over time, for each key."""

    name: Annotated[Name, "names the limit in replies, logs and metrics; unique in its route"]
    rate: Annotated[PerSecond, "requests admitted over time, for each key"]
    burst: Annotated[
        Number | None, "requests admitted at once after a rest; absent: one second's worth, at least 1"
    ] = None
    key: Annotated[
        tuple[KeySource, ...],
        OneOrMany(),
        "what has its own bucket: client_ip, header:NAME, cookie:NAME, path:VARIABLE or a list; absent: one for all",
    ] = ()
    max_wait: Annotated[Seconds, "wait at most this long for a token before answering 429"] = 0.0
    max_keys: Annotated[Count, "buckets remembered at most"] = 100_000
    mode: Mode = "enforce"

    def __post_init__(self) -> None:
        demand(
            ("rate", self.rate > 0, "must be more than 0; to refuse everything, take the route out"),
            ("burst", self.burst is None or self.burst > 0, "must be more than 0"),
            ("key", len(set(self.key)) == len(self.key), "names the same source twice"),
            ("max_keys", self.max_keys >= 1, "must be at least 1"),
        )

    @property
    def capacity(self) -> float:
        """The burst in force: the written one, or one second's worth of the rate and at least one request."""
        return max(1.0, self.rate) if self.burst is None else self.burst
