"""Live, ready, started: the three answers an orchestrator asks for, and when each is yes.

Live is that the loop turns, and nothing else: a backend that is down must not get the proxy restarted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sidecar.admin.subject import Condition


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to one probe: a status and the text that goes with it."""

    status: int
    text: str


def live() -> Verdict:
    """Answered at all means alive."""
    return Verdict(200, "ok\n")


def ready(conditions: Sequence[Condition], *, verbose: bool) -> Verdict:
    """200 when every condition holds, else 503; names those that do not, or with `verbose` each one."""
    failing = [condition for condition in conditions if not condition.holds]
    status = 503 if failing else 200
    word = "not ready" if failing else "ok"
    if verbose:
        return Verdict(status, "".join(_line(condition) for condition in conditions) + f"{word}\n")
    if failing:
        reasons = "; ".join(_reason(condition) for condition in failing)
        return Verdict(status, f"{word}: {reasons}\n")
    return Verdict(status, "ok\n")


def started(*, has_been_ready: bool) -> Verdict:
    """200 once every condition has held at once."""
    return Verdict(200, "ok\n") if has_been_ready else Verdict(503, "not ready yet\n")


def _line(condition: Condition) -> str:
    return f"[{'+' if condition.holds else '-'}] {_reason(condition)}\n"


def _reason(condition: Condition) -> str:
    return f"{condition.name}: {condition.detail}" if condition.detail else condition.name
