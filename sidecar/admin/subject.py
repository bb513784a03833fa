"""What the admin server looks at and what it may ask for: a protocol that wiring fulfils.

Admin looks only; the one verb here is a callable of the subject. So nothing in admin knows how the proxy is built.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that readiness asks for; `detail` says why it does not hold, or what makes it hold."""

    name: str
    holds: bool
    detail: str = ""


class Subject(Protocol):
    """A running proxy, as the admin server sees it."""

    def conditions(self) -> Sequence[Condition]:
        """Everything readiness asks for, as it is now."""

    @property
    def has_been_ready(self) -> bool:
        """Whether every condition has held at once at some time."""

    def status(self) -> Mapping[str, object]:
        """One JSON-ready snapshot of everything that moves."""

    def effective_rules(self) -> Mapping[str, object]:
        """The rules in force with every default filled in and every secret redacted."""

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """The metrics and their content type, in the form that `accept` asks for."""

    def start_drain(self, why: str) -> None:
        """Begin to drain; does nothing when a drain is under way."""

    async def drained(self, seconds: float) -> bool:
        """Wait at most so long for the drain to have ended; whether it has."""
