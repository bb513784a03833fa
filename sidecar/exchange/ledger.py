"""The permits that an exchange, or one of its attempts, holds: a flat list of machine, permit, machine, permit.

Flat, because a pair for each would be one more object on the path of every request; None while nothing is held.
"""

from __future__ import annotations

from sidecar.model.outcome import Outcome
from sidecar.policies.contract import Admission


def hold(held: list[object] | None, machine: Admission, permit: int) -> list[object]:
    """The list with one more permit, which is settled by `give_back` and nowhere else."""
    held = [] if held is None else held
    held.append(machine)
    held.append(permit)
    return held


def give_back(held: list[object] | None, now: float, outcome: Outcome, seconds: float) -> None:
    """Each permit to its machine, the last given first; off the list before, so that none is given back twice and a
    machine that fails keeps the others waiting only until the exchange ends."""
    while held:
        permit: int = held.pop()  # type: ignore[assignment]
        machine: Admission = held.pop()  # type: ignore[assignment]
        machine.settle(now, permit, outcome, seconds)
