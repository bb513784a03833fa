"""How many requests a route has in flight at once, and how many may queue for a place (`concurrency` in the rules).

Knows no clock and no queue of tasks; here is what a rule may say about it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from sidecar.policies.units import Count, Mode, Seconds, demand


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkheadSpec:
    """At most so many requests in flight, then a bounded queue, then 503."""

    max: Annotated[Count, "requests in flight at once"]
    max_queue: Annotated[Count, "requests that may wait for a place, first in first out"] = 0
    max_wait: Annotated[Seconds | None, "longest wait for a place; absent: until the request's deadline"] = None
    mode: Mode = "enforce"

    def __post_init__(self) -> None:
        demand(
            ("max", self.max >= 1, "must be at least 1"),
            (
                "max_wait",
                self.max_queue == 0 or self.max_wait is None or self.max_wait > 0,
                "is 0, so nothing can ever wait in the queue of max_queue; give it a duration or drop max_queue",
            ),
        )
