"""Faults for any ratios and seeds: equal histories, the right shares, delays within bounds."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from sidecar.policies.contract import ADMITTED, REFUSED, WAIT, Applicant, Key
from sidecar.policies.fault import AbortSpec, DelaySpec, Fault, FaultSpec

RATIOS = st.floats(0, 1)
SEEDS = st.integers(0, 2**32)


class Request(Applicant):
    def __init__(self, deadline: float) -> None:
        self.deadline = deadline

    def key(self, key: Key) -> str:
        raise AssertionError("a fault asks for no key")

    def granted(self, now: float) -> None:
        raise AssertionError("a fault grants nothing")


def history(seed: int, delay: float, abort: float, patience: float, count: int = 50) -> list[tuple[int, float, int]]:
    """For each request its verdict, its wait, and its verdict after it."""
    spec = FaultSpec(delay=DelaySpec(ratio=delay, duration=0.25), abort=AbortSpec(ratio=abort))
    machine = Fault("canary/fault", spec, Random(seed))
    told: list[tuple[int, float, int]] = []
    for number in range(count):
        now = float(number)
        request = Request(now + patience)
        verdict = machine.try_acquire(now, request)
        wait = machine.wait_until - now if verdict == WAIT else 0.0
        told.append((verdict, wait, machine.resume(machine.wait_until, request) if verdict == WAIT else verdict))
    return told


@given(seed=SEEDS, delay=RATIOS, abort=RATIOS, patience=st.sampled_from([0.0, 0.125, 5.0]))
def test_equal_seeds_make_equal_histories(seed: int, delay: float, abort: float, patience: float) -> None:
    assert history(seed, delay, abort, patience) == history(seed, delay, abort, patience)


@given(seed=SEEDS, delay=RATIOS, abort=RATIOS, patience=st.sampled_from([0.0, 0.125, 5.0]))
def test_every_wait_is_later_within_the_deadline_and_ends_in_a_verdict(
    seed: int, delay: float, abort: float, patience: float
) -> None:
    for verdict, wait, last in history(seed, delay, abort, patience):
        assert last in (ADMITTED, REFUSED)
        assert (verdict == WAIT) == (wait > 0)
        assert wait <= min(0.25, patience)


@given(seed=SEEDS, ratio=st.sampled_from([0.1, 0.5, 0.9]))
def test_the_shares_are_those_of_the_rules_and_independent(seed: int, ratio: float) -> None:
    count = 2000
    told = history(seed, ratio, 0.5, 5.0, count)
    late = [last for verdict, _, last in told if verdict == WAIT]
    # Six standard deviations: once in half a billion by chance, and no other seeds are thrown in the fast profile.
    assert abs(len(late) / count - ratio) < 6 * (ratio * (1 - ratio) / count) ** 0.5
    assert abs(late.count(REFUSED) / len(late) - 0.5) < 6 * (0.25 / len(late)) ** 0.5
