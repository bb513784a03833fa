"""The permits that an exchange, or one of its attempts, holds: a flat list of machine, permit, machine, permit.

Flat, because a pair for each would be one more object on the path of every request; None while nothing is held. No type
says that machines and permits take turns, hence the `ignore` where they are read: only `hold` writes the list.
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


def tell_answering(held: list[object] | None, now: float) -> None:
    """Each machine that gave a permit hears that its answer has begun well. The permits stay where they are."""
    if held is None:
        return
    place = 0
    while place < len(held):
        machine: Admission = held[place]  # type: ignore[assignment]
        permit: int = held[place + 1]  # type: ignore[assignment]
        machine.answering(now, permit)
        place += 2


def give_back(held: list[object] | None, now: float, outcome: Outcome, seconds: float) -> None:
    """Each permit to its machine, the last given first; off the list before, so that none is given back twice and a
    machine that fails keeps the others waiting only until the exchange ends."""
    while held:
        permit: int = held.pop()  # type: ignore[assignment]
        machine: Admission = held.pop()  # type: ignore[assignment]
        machine.settle(now, permit, outcome, seconds)
