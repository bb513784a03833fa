"""Faults made on purpose, to see how callers take them. Refused unless the process was started with --allow-faults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from sidecar.policies.units import Mode, Ratio, Seconds, Status, demand


@dataclass(frozen=True, slots=True, kw_only=True)
class DelaySpec:
    """Make a share of the requests late."""

    ratio: Annotated[Ratio, "share of the requests"]
    duration: Annotated[Seconds, "how late"]

    def __post_init__(self) -> None:
        demand(("duration", self.duration > 0, "must be more than 0"))


@dataclass(frozen=True, slots=True, kw_only=True)
class AbortSpec:
    """Answer a share of the requests with a status instead of asking the upstream."""

    ratio: Annotated[Ratio, "share of the requests"]
    status: Annotated[Status, "the answer"] = 503


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultSpec:
    """Faults made on purpose."""

    delay: Annotated[DelaySpec | None, "late requests"] = None
    abort: Annotated[AbortSpec | None, "refused requests"] = None
    mode: Mode = "enforce"

    def __post_init__(self) -> None:
        demand(("delay", bool(self.delay or self.abort), "is missing; a fault needs `delay` or `abort`"))
