"""Where a concurrency limit that is learned begins, and how far it may go (`adaptive` beside `max: adaptive`).

Owns these bounds as the rules have them. Knows nothing of what is learned.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from sidecar.policies.units import Count, demand

_START = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptiveSpec:
    """Where a limit that is learned begins, and how far it may go."""

    initial: Annotated[Count | None, "where it begins; absent: 20, or as near as the other two let it"] = None
    min: Annotated[Count, "never fewer"] = 1
    max: Annotated[Count, "never more"] = 1000

    def __post_init__(self) -> None:
        within = f"is not from {self.min} to {self.max}, which are `min` and `max`"
        ordered = 1 <= self.min <= self.max
        demand(
            ("min", self.min >= 1, "must be at least 1"),
            ("max", self.max >= self.min, f"is less than `min`, which is {self.min}"),
            ("initial", self.initial is None or not ordered or self.min <= self.initial <= self.max, within),
        )

    @property
    def start(self) -> int:
        """Where it begins."""
        return min(self.max, max(self.min, _START if self.initial is None else self.initial))
