"""A worker is killed between any two stores: whatever it had stored until then means something to the others."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

from sidecar.model.observer import BreakerObserver, RouteObserver
from sidecar.model.outcome import Outcome
from sidecar.policies.adaptive_spec import AdaptiveSpec
from sidecar.policies.bulkhead import BulkheadSpec
from sidecar.policies.circuit import CLOSED, HALF_OPEN, OPEN
from sidecar.policies.contract import ADMITTED, WAIT
from sidecar.policies.rate_limit import RateLimitSpec
from sidecar.policies.shared_bulkhead import SharedBulkhead
from sidecar.policies.shared_circuit import SharedCircuit
from sidecar.policies.shared_rate_limit import SharedRateLimits
from sidecar.policies.sharing import Shape
from tests.doubles.limited_applicant import FixedKey, LimitedApplicant
from tests.doubles.shared_memory import Instance
from tests.policies.test_shared_circuit import thresholds

_ENOUGH = 1000  # stores; nothing does so many at once


class Killed(BaseException):
    """What it was about to store is not stored, nor is anything after it."""


class Mortal(Instance):
    """Workers of which one can be killed after so many stores. A row stored at once is stored cell by cell."""

    def __init__(self, workers: int) -> None:
        super().__init__(workers)
        self.left: int | None = None

    def cells_of(self, name: str, shape: Shape) -> Any:
        """See Instance."""
        return Cells(self, super().cells_of(name, shape))

    def store(self) -> None:
        """One store is about to be made."""
        if self.left == 0:
            raise Killed
        if self.left is not None:
            self.left -= 1

    def killed(self, worker: int, stores: int, act: Callable[[], object]) -> bool:
        """Let the worker act and die after so many stores; whether it died before it was done."""
        self.left = stores
        try:
            act()
        except Killed:
            return True
        finally:
            self.left = None
            self.inside = None  # the kernel lets go of its locks
            self.kill(worker)
        return False


class Cells:
    """A view of memory that counts what is stored in it."""

    def __init__(self, instance: Mortal, view: memoryview[Any]) -> None:
        self.instance = instance
        self.view = view

    def __len__(self) -> int:
        return len(self.view)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.view)

    def __getitem__(self, at: Any) -> Any:
        found = self.view[at]
        return Cells(self.instance, found) if isinstance(at, slice) else found

    def __setitem__(self, at: Any, value: Any) -> None:
        if not isinstance(at, slice):
            self.instance.store()
            self.view[at] = value
            return
        places = range(*at.indices(len(self.view)))
        for place, one in zip(places, value, strict=True):
            self[place] = one

    def cast(self, form: Any) -> Cells:
        return Cells(self.instance, self.view.cast(form))

    def tolist(self) -> list[Any]:
        return self.view.tolist()


def at_every_store(attempt: Callable[[int], bool]) -> None:
    """Make `attempt` with a death after no store, after one and so on, until it tells that nobody died of it."""
    died = [stores for stores in range(_ENOUGH) if attempt(stores)]
    assert died == list(range(len(died)))
    assert 0 < len(died) < _ENOUGH


def limits(instance: Instance, worker: int, rate: float) -> SharedRateLimits:
    specs = [
        RateLimitSpec(name="all", rate=rate, burst=2.0),
        RateLimitSpec(name="ip", rate=rate, burst=2.0, key=("client_ip",), max_keys=2),
    ]
    pairs = [(spec, FixedKey("k") if spec.key else None) for spec in specs]
    return SharedRateLimits("login", pairs, RouteObserver(), instance.memories[worker])


def test_of_buckets_that_are_spent_under_a_faster_rule_none_lacks_more_than_all_of_itself() -> None:
    def attempt(stores: int) -> bool:
        instance = Mortal(2)
        slow = limits(instance, 0, rate=1 / 3600)
        for _ in range(2):
            assert slow.try_acquire(10.0, LimitedApplicant("a")) == ADMITTED
        fast, other = limits(instance, 0, rate=1.0), limits(instance, 1, rate=1.0)
        who = LimitedApplicant("a")

        def act() -> None:
            fast.inherit(slow, 10.0)
            fast.try_acquire(11.0, who)

        died = instance.killed(0, stores, act)
        other.inherit(limits(instance, 1, rate=1 / 3600), 11.0)
        # Two seconds fill either bucket, whatever it lacked.
        assert other.try_acquire(13.0, LimitedApplicant("a")) == ADMITTED
        assert other.snapshot(13.0)["limits"]["ip"]["keys"] <= 2  # type: ignore[index]
        return died

    at_every_store(attempt)


def test_a_key_that_takes_the_place_of_another_owes_nothing_of_its() -> None:
    def attempt(stores: int) -> bool:
        instance = Mortal(2)
        first, other = limits(instance, 0, rate=1.0), limits(instance, 1, rate=1.0)
        assert [first.try_acquire(10.0, LimitedApplicant(key)) for key in "ab"] == [ADMITTED] * 2
        died = instance.killed(0, stores, lambda: first.try_acquire(11.0, LimitedApplicant("c")))
        assert [other.try_acquire(13.0, LimitedApplicant(key)) for key in "cc"] == [ADMITTED] * 2
        return died

    at_every_store(attempt)


class Asking(LimitedApplicant):
    """Comes back as soon as it is told."""

    def __init__(self, machine: SharedBulkhead) -> None:
        super().__init__()
        self.machine = machine
        self.permit = 0

    def granted(self, now: float) -> None:
        self.permit = self.machine.resume(now, self)


def _places_after(act: Callable[[SharedBulkhead, Asking, float], object]) -> None:
    """Worker 0 has one of two places and one that waits, 1 the other and two that wait, and 0 dies while it acts."""

    def attempt(stores: int) -> bool:
        instance = Mortal(2)
        spec = BulkheadSpec(max=2, max_queue=9)
        dying, living = (SharedBulkhead("login/concurrency", spec, memory) for memory in instance.memories)
        permits = [machine.try_acquire(1.0, LimitedApplicant()) for machine in (dying, living)]
        assert min(permits) > 0
        waiting = [Asking(machine) for machine in (living, dying, living)]
        assert [one.machine.try_acquire(1.0, one) for one in waiting] == [WAIT] * 3
        died = instance.killed(0, stores, lambda: act(dying, waiting[1], 2.0))
        instance.deliver(2.0)
        assert waiting[0].permit > 0, "the place of the dead one is free"
        assert living.snapshot(2.0)["in_flight"] == 2
        living.settle(3.0, permits[1], Outcome.SUCCESS, 0.1)
        instance.deliver(3.0)
        assert waiting[2].permit > 0
        for one in (waiting[0], waiting[2]):
            living.settle(4.0, one.permit, Outcome.SUCCESS, 0.1)
        shown = living.snapshot(4.0)
        assert (shown["in_flight"], shown["queued"]) == (0, 0)
        return died

    at_every_store(attempt)


def test_whoever_dies_while_it_gives_a_place_back_keeps_it_from_nobody() -> None:
    _places_after(lambda machine, _, now: machine.settle(now, 1, Outcome.SUCCESS, 0.1))


def test_whoever_dies_while_one_leaves_its_queue_keeps_a_place_from_nobody() -> None:
    _places_after(lambda machine, who, now: machine.withdraw(now, who))


def test_whoever_dies_while_one_joins_its_queue_keeps_a_place_from_nobody() -> None:
    _places_after(lambda machine, _, now: machine.try_acquire(now, Asking(machine)))


def test_whoever_dies_while_it_learns_a_limit_leaves_one_that_the_others_go_on_with() -> None:
    def attempt(stores: int) -> bool:
        instance = Mortal(2)
        spec = BulkheadSpec(max="adaptive", adaptive=AdaptiveSpec(max=50))
        dying, living = (SharedBulkhead("login/concurrency", spec, memory) for memory in instance.memories)
        now = 1.0
        for _ in range(11):
            now += 0.1
            living.try_acquire(now, LimitedApplicant())
            living.attempted(now, 0.05, 200)
        died = instance.killed(0, stores, lambda: dying.attempted(now + 1.0, 0.05, 200))
        now += 2.0
        for _ in range(40):
            now += 0.1
            living.try_acquire(now, LimitedApplicant())
            living.attempted(now, 0.05, 200)
            assert 1 <= living.snapshot(now)["max"] <= 50  # type: ignore[operator]
        assert living.snapshot(now)["max"] == 50
        return died

    at_every_store(attempt)


class Heard(BreakerObserver):
    """Whom nothing is told."""


def circuit(instance: Instance, worker: int) -> SharedCircuit:
    return SharedCircuit(instance.memories[worker], "c", thresholds(), random.Random(1), Heard())


def test_a_breaker_that_somebody_dies_in_opens_and_closes_again() -> None:
    def attempt(stores: int) -> bool:
        instance = Mortal(2)
        dying, living = circuit(instance, 0), circuit(instance, 1)
        for at in range(3):
            one = (dying, living)[at % 2]
            one.settle(100.0, one.acquire(100.0), Outcome.FAILURE, 0.1)
        died = instance.killed(0, stores, lambda: dying.settle(101.0, dying.acquire(101.0), Outcome.FAILURE, 0.1))
        for _ in range(4):
            living.settle(101.0, living.acquire(101.0), Outcome.FAILURE, 0.1)
        assert living.state == OPEN
        living.wake(living.open_until)
        assert living.state == HALF_OPEN
        now = living.open_until
        for _ in range(2):
            permit = living.acquire(now)
            assert permit > 0
            living.settle(now, permit, Outcome.SUCCESS, 0.1)
        assert living.state == CLOSED
        living.refresh(now)
        assert (living.window.requests, living.window.failures) == (0, 0)
        return died

    at_every_store(attempt)


def test_a_breaker_whose_probe_is_given_by_one_that_dies_of_it_tries_again() -> None:
    def attempt(stores: int) -> bool:
        instance = Mortal(2)
        dying, living = circuit(instance, 0), circuit(instance, 1)
        for _ in range(4):
            living.settle(100.0, living.acquire(100.0), Outcome.FAILURE, 0.1)
        now = living.open_until
        died = instance.killed(0, stores, lambda: (dying.acquire(now), dying.acquire(now)))
        living.wake(now + 3.0)  # the leases are over
        assert living.state == HALF_OPEN
        for _ in range(2):
            permit = living.acquire(now + 3.0)
            assert permit > 0
            living.settle(now + 3.0, permit, Outcome.SUCCESS, 0.1)
        assert living.state == CLOSED
        return died

    at_every_store(attempt)
