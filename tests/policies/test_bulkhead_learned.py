"""A concurrency limit that is learned, with its places and its queue: in one process, in several, and over reloads."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.outcome import Outcome
from sidecar.policies.adaptive_concurrency import AdaptiveLimit
from sidecar.policies.adaptive_spec import AdaptiveSpec
from sidecar.policies.bulkhead import LIMIT, Bulkhead, BulkheadSpec
from sidecar.policies.contract import REFUSED, WAIT
from sidecar.policies.shared_bulkhead import SharedBulkhead
from sidecar.policies.shared_places import SharedPlaces
from tests.doubles.limited_applicant import LimitedApplicant
from tests.doubles.shared_memory import Instance
from tests.policies.crowd import Crowd, spread
from tests.policies.specs import taken

NAME = "everything/concurrency"
SECONDS = 0.02


def spec(**given: Any) -> BulkheadSpec:
    return BulkheadSpec(**{"max": "adaptive", **given})


class Waiting(LimitedApplicant):
    """One that may have to wait, and hears when it need not."""

    def __init__(self) -> None:
        super().__init__()
        self.told = False

    def granted(self, now: float) -> None:
        self.told = True


class Traffic:
    """Requests to the machines of several workers in turn; each is `seconds` away from its answer."""

    def __init__(self, *machines: Bulkhead) -> None:
        self.machines = machines
        self.now = 10.0
        self.turn = 0

    def fill(self, machine: Bulkhead) -> list[int]:
        """As many as are let in."""
        permits = []
        while (permit := machine.try_acquire(self.now, LimitedApplicant())) > 0:
            permits.append(permit)
        return permits

    def answer(self, count: int, seconds: float = SECONDS, status: int = 200) -> None:
        """So many answers, one after the other, with as many in flight as may be."""
        for _ in range(count):
            self.now += 0.005
            machine = self.machines[self.turn % len(self.machines)]
            self.turn += 1
            permits = self.fill(machine)
            machine.attempted(self.now, seconds, status)
            for permit in permits:
                machine.settle(self.now, permit, Outcome.SUCCESS, seconds)


def limit_of(machine: Bulkhead) -> Any:
    return machine.snapshot(0.0)["max"]


def grown(machine: Bulkhead) -> Traffic:
    traffic = Traffic(machine)
    traffic.answer(300)
    assert limit_of(machine) > 30
    return traffic


@pytest.mark.parametrize("given", [{"max": "adaptive"}, {"max": "adaptive", "adaptive": AdaptiveSpec(max=9)}])
def test_a_limit_may_be_learned_with_bounds_or_without(given: dict[str, Any]) -> None:
    taken(BulkheadSpec, given)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("adaptiv", "`adaptiv` is neither a whole number nor `adaptive`; did you mean `adaptive`?"),
        ("Adaptive", "`Adaptive` is neither a whole number nor `adaptive`; did you mean `adaptive`?"),
        ("many", "`many` is neither a whole number nor `adaptive`"),
        ("-3", "`-3` is not a whole number of at least 0"),
    ],
)
def test_a_limit_is_a_number_or_one_word(text: str, sentence: str) -> None:
    assert (LIMIT.parse("64"), LIMIT.parse("adaptive")) == (64, "adaptive")
    with pytest.raises(ValueError, match=re.escape(sentence) + "$"):
        LIMIT.parse(text)


def test_one_that_is_a_number_measures_nothing_and_says_nothing_of_it() -> None:
    machine = Bulkhead(NAME, BulkheadSpec(max=5))
    assert machine.measures is False
    assert "unloaded_ms" not in machine.snapshot(0.0)
    Traffic(machine).answer(300)
    assert limit_of(machine) == 5


def test_one_that_is_learned_begins_at_twenty_and_grows_with_use() -> None:
    machine = Bulkhead(NAME, spec())
    assert machine.measures is True
    assert limit_of(machine) == 20
    grown(machine)
    assert machine.snapshot(0.0)["unloaded_ms"] == pytest.approx(20.0)
    assert machine.snapshot(0.0)["in_flight"] == 0


def test_places_that_are_learned_go_to_who_waits_at_once() -> None:
    machine = Bulkhead(NAME, spec(max_queue=50))
    taken_now = [machine.try_acquire(10.0, LimitedApplicant()) for _ in range(20)]
    assert min(taken_now) > 0
    waiting = [Waiting() for _ in range(50)]
    assert {machine.try_acquire(10.0, one) for one in waiting} == {WAIT}
    now = 10.0
    while not waiting[0].told:
        now += 0.005
        machine.attempted(now, SECONDS, 200)
    told = sum(one.told for one in waiting)
    assert told == limit_of(machine) - 20
    assert machine.snapshot(now)["in_flight"] == limit_of(machine)


def test_in_shadow_mode_it_learns_and_counts_the_queue_among_its_places() -> None:
    machine = Bulkhead(NAME, spec(mode="shadow", max_queue=7))
    assert limit_of(machine) == 27
    traffic = grown(machine)
    assert len(traffic.fill(machine)) == limit_of(machine)
    assert machine.try_acquire(traffic.now, LimitedApplicant()) == REFUSED


def test_a_reload_keeps_what_was_learned_within_the_new_bounds() -> None:
    machine = Bulkhead(NAME, spec())
    traffic = grown(machine)
    after = Bulkhead(NAME, spec(max_queue=3))
    after.inherit(machine, traffic.now)
    assert limit_of(after) == limit_of(machine) > 30
    assert after.snapshot(0.0)["unloaded_ms"] == machine.snapshot(0.0)["unloaded_ms"]
    narrow = Bulkhead(NAME, spec(adaptive=AdaptiveSpec(max=25)))
    narrow.inherit(after, traffic.now)
    assert limit_of(narrow) == 25
    # An exchange that began before tells the machine of its own rules, and that is heard.
    Traffic(machine).answer(200)
    assert limit_of(narrow) == 25


def test_a_number_in_its_place_ends_the_learning_and_the_other_way_round_begins_it() -> None:
    machine = Bulkhead(NAME, spec())
    traffic = grown(machine)
    fixed = Bulkhead(NAME, BulkheadSpec(max=5))
    fixed.inherit(machine, traffic.now)
    assert limit_of(fixed) == 5
    traffic.answer(200)  # of before
    assert limit_of(fixed) == 5
    again = Bulkhead(NAME, spec())
    again.inherit(fixed, traffic.now)
    assert limit_of(again) == 20
    Traffic(again).answer(300)
    assert limit_of(again) > 30


class InTurn:
    """The machines of an instance, as a simulated crowd meets them: each attempt is another worker's."""

    def __init__(self, machines: list[SharedBulkhead]) -> None:
        self.machines = machines
        self.turn = random.Random(3)

    @property
    def current(self) -> int:
        """What the next one to ask knows."""
        return int(limit_of(self.turn.choice(self.machines)))

    def attempted(self, now: float, seconds: float, status: int, in_flight: int) -> bool:
        """One of them hears."""
        machine = self.turn.choice(self.machines)
        places = machine._places
        assert isinstance(places, SharedPlaces)
        places.occupy(in_flight - places.taken())
        machine.attempted(now, seconds, status)
        return True


def test_several_workers_find_together_what_one_finds() -> None:
    def found(limit: Any) -> tuple[float, float, int]:
        times = spread(SECONDS, 0.5)
        seen = Crowd(limit, rate=lambda now: 2000.0, places=lambda now: 20, times=times).run(12.0)
        return seen.rate(4.0, 12.0), seen.mean(4.0), seen.most

    instance = Instance(3)
    machines = [SharedBulkhead(NAME, spec(), memory) for memory in instance.memories]
    one, all_of_them = found(AdaptiveLimit(AdaptiveSpec())), found(InTurn(machines))
    assert len({limit_of(machine) for machine in machines}) == 1
    assert all_of_them == pytest.approx(one, rel=0.2)


def test_a_worker_that_is_started_again_knows_what_the_others_know() -> None:
    instance = Instance(2)
    first, second = (SharedBulkhead(NAME, spec(), memory) for memory in instance.memories)
    Traffic(first, second).answer(300)
    learned = limit_of(first)
    assert learned > 30
    assert limit_of(second) == learned
    instance.kill(1)
    again = SharedBulkhead(NAME, spec(), instance.memories[1])
    assert limit_of(again) == learned
    assert len(Traffic(again).fill(again)) == learned


def test_workers_keep_what_was_learned_over_a_reload_and_a_number_ends_it() -> None:
    instance = Instance(2)
    machines = [SharedBulkhead(NAME, spec(), memory) for memory in instance.memories]
    Traffic(*machines).answer(300)
    learned = limit_of(machines[0])
    for rules, limit in ((spec(max_queue=4), learned), (BulkheadSpec(max=5), 5), (spec(), learned)):
        after = [SharedBulkhead(NAME, rules, memory) for memory in instance.memories]
        for machine, before in zip(after, machines, strict=True):
            machine.inherit(before, 20.0)
        assert {limit_of(machine) for machine in after} == {limit}
        machines = after


WORDS = ["come", "come", "come", "end", "end", "leave", "slow", "fast", "drop"]
STEPS = st.lists(st.tuples(st.sampled_from(WORDS), st.floats(0, 0.2)))


@pytest.mark.parametrize("workers", [0, 2])
@given(steps=STEPS, queue=st.integers(0, 5))
def test_whatever_is_learned_every_place_comes_back(workers: int, steps: list[tuple[str, float]], queue: int) -> None:
    rules = spec(adaptive=AdaptiveSpec(initial=3, max=8), max_queue=queue)
    instance = Instance(workers)
    machines: list[Bulkhead] = [SharedBulkhead(NAME, rules, memory) for memory in instance.memories]
    machines = machines or [Bulkhead(NAME, rules)]
    now = 10.0
    holders: list[tuple[Bulkhead, int]] = []
    waiting: list[tuple[Bulkhead, Waiting]] = []

    def collect() -> None:
        instance.deliver(now)
        for machine, who in [one for one in waiting if one[1].told]:
            waiting.remove((machine, who))
            permit = machine.resume(now, who)
            assert permit > 0
            holders.append((machine, permit))

    for number, (step, pause) in enumerate(steps):
        now += pause
        machine = machines[number % len(machines)]
        if step == "come":
            who = Waiting()
            verdict = machine.try_acquire(now, who)
            if verdict == WAIT:
                waiting.append((machine, who))
            elif verdict > 0:
                holders.append((machine, verdict))
        elif step == "end" and holders:
            other, permit = holders.pop(0)
            other.settle(now, permit, Outcome.SUCCESS, 0.1)
        elif step == "leave" and waiting:
            other, who = waiting.pop()
            other.withdraw(now, who)
        elif step in ("slow", "fast", "drop"):
            for _ in range(12):
                now += 0.02
                machine.attempted(now, 0.5 if step == "slow" else 0.01, 0 if step == "drop" else 200)
        collect()
        assert 1 <= limit_of(machine) <= 8
        assert machine.snapshot(now)["in_flight"] == len(holders) <= 8
    while holders:
        other, permit = holders.pop()
        other.settle(now, permit, Outcome.SUCCESS, 0.1)
        collect()
    shown = machines[0].snapshot(now)
    assert (shown["in_flight"], shown["queued"], waiting) == (0, 0, [])
