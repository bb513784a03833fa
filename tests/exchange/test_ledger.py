"""What is held is given back once, the last first, also past a machine that fails."""

from __future__ import annotations

import pytest

from sidecar.exchange.ledger import give_back, hold, tell_answering
from sidecar.model.outcome import Outcome
from sidecar.model.reason import Reason
from sidecar.policies.contract import Admission


class _Machine(Admission):
    def __init__(self, settled: list[tuple[str, int, Outcome]], name: str) -> None:
        super().__init__(name, Reason.CIRCUIT_OPEN)
        self.settled = settled
        self.fails = False
        self.heard: list[int] = []

    def answering(self, now: float, permit: int) -> None:
        self.heard.append(permit)

    def settle(self, now: float, permit: int, outcome: Outcome, seconds: float) -> None:
        if self.fails:
            raise ZeroDivisionError
        self.settled.append((self.name, permit, outcome))


def test_the_last_permit_is_given_back_first_and_each_once() -> None:
    settled: list[tuple[str, int, Outcome]] = []
    held = hold(hold(None, _Machine(settled, "one"), 7), _Machine(settled, "two"), 8)
    give_back(held, 0.0, Outcome.SUCCESS, 0.1)
    give_back(held, 0.0, Outcome.FAILURE, 0.1)
    assert settled == [("two", 8, Outcome.SUCCESS), ("one", 7, Outcome.SUCCESS)]


def test_nothing_held_is_nothing_to_give_back() -> None:
    give_back(None, 0.0, Outcome.IGNORED, 0.0)
    give_back([], 0.0, Outcome.IGNORED, 0.0)


def test_each_hears_of_its_own_permit_that_it_is_answering_and_keeps_it() -> None:
    settled: list[tuple[str, int, Outcome]] = []
    one, two = _Machine(settled, "one"), _Machine(settled, "two")
    held = hold(hold(None, one, 7), two, 8)
    tell_answering(held, 0.0)
    assert (one.heard, two.heard, settled) == ([7], [8], [])
    give_back(held, 0.0, Outcome.SUCCESS, 0.1)
    tell_answering(held, 0.0)
    tell_answering(None, 0.0)
    assert (one.heard, two.heard, len(settled)) == ([7], [8], 2)


def test_a_machine_that_fails_has_had_its_permit_and_the_others_keep_theirs_for_the_next_call() -> None:
    settled: list[tuple[str, int, Outcome]] = []
    broken = _Machine(settled, "broken")
    broken.fails = True
    held = hold(hold(None, _Machine(settled, "one"), 7), broken, 8)
    with pytest.raises(ZeroDivisionError):
        give_back(held, 0.0, Outcome.SUCCESS, 0.1)
    give_back(held, 0.0, Outcome.IGNORED, 0.0)
    assert settled == [("one", 7, Outcome.IGNORED)]
