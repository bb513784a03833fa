"""What a listener and a pool are told to keep to, as values that refuse the impossible.

Owns the numbers only; who reads them from the rules file, and how, is not known here.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from aiolimiter import AsyncLimiter

from sidecar.wire.message import HeadLimits


@dataclass(frozen=True, slots=True)
class DownstreamSettings:
    """Limits of accepted connections; durations in seconds.

    `header_timeout` runs from accept, or from a later request's first byte, to the end of the head; `body_timeout`
    between two reads of a request body; `idle_timeout` between two requests, over a tunnel's silence, and while an
    answer lies unread. `max_body_bytes` None means no cap.
    """

    header_timeout: float = 10.0
    body_timeout: float = 30.0
    idle_timeout: float = 75.0
    max_body_bytes: int | None = None
    limits: HeadLimits = field(default_factory=HeadLimits)

    def __post_init__(self) -> None:
        if min(self.header_timeout, self.body_timeout, self.idle_timeout) <= 0:
            raise ValueError("the timeouts of a listener must be above zero")
        if self.max_body_bytes is not None and self.max_body_bytes < 0:
            raise ValueError("max_body_bytes must not be negative")


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """Limits of the connections to one endpoint; durations in seconds.

    `max_connects_per_second` None means unpaced; `max_lifetime` None means that age ends no connection.
    """

    max_connections: int = 512
    max_connects_per_second: float | None = None
    idle_timeout: float = 30.0
    max_lifetime: float | None = 600.0

    def __post_init__(self) -> None:
        if self.max_connections < 1:
            raise ValueError("max_connections must be at least 1")
        if self.max_connects_per_second is not None and self.max_connects_per_second <= 0:
            raise ValueError("max_connects must be above zero")
        if self.idle_timeout <= 0 or (self.max_lifetime is not None and self.max_lifetime <= 0):
            raise ValueError("idle_timeout and max_lifetime must be above zero")

    def pace(self) -> AsyncLimiter | None:
        """What makes new connections wait, where they are to."""
        rate = self.max_connects_per_second
        if rate is None:
            return None
        # A bucket must hold at least the one that is asked for.
        return AsyncLimiter(rate, 1.0) if rate >= 1.0 else AsyncLimiter(1.0, 1.0 / rate)
