"""An outage as retries see it: many requests that all fail, again and again."""

from __future__ import annotations

import heapq
import math
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from sidecar.policies.backoff import NO_HINT
from sidecar.policies.retry import BUDGET, DEADLINE, NO_MORE, BackoffSpec, Retry, RetrySpec
from sidecar.policies.retry_budget import RetryBudget

ARRIVALS = st.lists(st.floats(0.0, 30.0), min_size=1, max_size=40).map(sorted)
HINTS = st.one_of(st.just(NO_HINT), st.floats(0.0, 100.0))
SPECS = st.builds(
    RetrySpec,
    max_attempts=st.integers(1, 10),
    backoff=st.builds(BackoffSpec, base=st.floats(0.001, 1.0), max=st.floats(1.0, 5.0)),
    respect_retry_after=st.booleans(),
)
Attempt = tuple[float, int, float]  # when, how manieth, deadline


def outage(machine: Retry, arrivals: list[float], allowed: float, least: float, hint: float) -> list[Attempt]:
    """Every attempt that is made while each fails at once with the same hint; waits overlap as they come."""
    due: list[Attempt] = [(at, 1, at + allowed) for at in arrivals]
    made: list[Attempt] = []
    while due:
        now, attempt, deadline = heapq.heappop(due)
        if attempt == 1:
            machine.deposit(now)
        made.append((now, attempt, deadline))
        wait = machine.delay(now, attempt, hint, deadline, least)
        if wait >= 0.0:
            heapq.heappush(due, (now + wait, attempt + 1, deadline))
        else:
            assert wait in (NO_MORE, BUDGET, DEADLINE)
    return made


@given(
    spec=SPECS,
    arrivals=ARRIVALS,
    allowed=st.one_of(st.just(math.inf), st.floats(0.0, 20.0)),
    least=st.floats(0.0, 2.0),
    hint=HINTS,
    ratio=st.floats(0.0, 1.0),
    floor=st.floats(0.1, 20.0),
    seed=st.integers(),
)
def test_an_outage_is_repeated_within_every_bound_at_once(
    spec: RetrySpec,
    arrivals: list[float],
    allowed: float,
    least: float,
    hint: float,
    ratio: float,
    floor: float,
    seed: int,
) -> None:
    made = outage(Retry("r", spec, RetryBudget(ratio, floor), Random(seed)), arrivals, allowed, least, hint)
    retries = [(now, deadline) for now, attempt, deadline in made if attempt > 1]
    assert max(attempt for _, attempt, _ in made) <= spec.max_attempts
    assert all(now + least <= deadline + 1e-9 for now, deadline in retries)
    assert len(made) - len(retries) == len(arrivals)
    # Retries that still waited had paid already, so the load is bounded from the first arrival to the last attempt.
    lasted = made[-1][0] - arrivals[0]
    assert len(retries) <= ratio * len(arrivals) + floor * lasted + max(1.0, floor) + 1e-6


@given(spec=SPECS, arrivals=ARRIVALS, hint=HINTS, seed=st.integers())
def test_equal_seeds_make_equal_histories(spec: RetrySpec, arrivals: list[float], hint: float, seed: int) -> None:
    histories = [
        outage(Retry("r", spec, RetryBudget(0.2, 1.0), Random(seed)), arrivals, 10.0, 0.1, hint) for _ in range(2)
    ]
    assert histories[0] == histories[1]


@given(spec=SPECS, arrivals=ARRIVALS, seed=st.integers())
def test_with_nothing_in_the_way_every_request_gets_all_its_attempts(
    spec: RetrySpec, arrivals: list[float], seed: int
) -> None:
    made = outage(Retry("r", spec, None, Random(seed)), arrivals, math.inf, 0.0, NO_HINT)
    assert len(made) == len(arrivals) * spec.max_attempts
