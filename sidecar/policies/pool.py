"""How many connections an upstream is given and how long they are kept. Here: what a rule may say about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from sidecar.policies.units import Count, Mode, Off, PerSecond, Seconds, demand


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSpec:
    """Connections to one endpoint, kept for the next request."""

    max_connections: Annotated[Count, "connections at once, for each endpoint"] = 512
    max_connects: Annotated[PerSecond | None, "new connections over time; absent: as fast as they are needed"] = None
    idle_timeout: Annotated[Seconds | None, Off(), "close a connection unused for so long; 0: never"] = 30.0
    max_lifetime: Annotated[Seconds | None, Off(), "close a connection this old once it is unused; 0: never"] = 600.0
    mode: Mode = "enforce"

    def __post_init__(self) -> None:
        demand(
            ("max_connections", self.max_connections >= 1, "must be at least 1"),
            ("max_connects", self.max_connects is None or self.max_connects > 0, "must be more than 0"),
        )
