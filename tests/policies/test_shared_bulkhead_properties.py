"""Several workers have one concurrency limit: never over it, in order, and a dead one's places come back."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sidecar.model.outcome import Outcome
from sidecar.policies.bulkhead import Bulkhead, BulkheadSpec
from sidecar.policies.contract import REFUSED, WAIT
from sidecar.policies.shared_bulkhead import SharedBulkhead
from tests.doubles.shared_memory import Instance
from tests.policies.test_bulkhead_properties import BulkheadInAnyOrder, Request

WORKERS = st.integers(0, 2)
OUTCOME = Outcome.SUCCESS


def shared(instance: Instance, worker: int, limit: int, queue: int, wait: float | None = None) -> SharedBulkhead:
    spec = BulkheadSpec(max=limit, max_queue=queue, max_wait=wait)
    return SharedBulkhead("login/concurrency", spec, instance.memories[worker])


class OneWorkersBulkhead(BulkheadInAnyOrder):
    """All that holds of a limit holds in shared memory, over changes of the rules too."""

    def __init__(self) -> None:
        super().__init__()
        self.instance = Instance(1)

    def made(self, limits: tuple[int, int, float | None]) -> Bulkhead:
        return shared(self.instance, 0, *limits)


TestOneWorkersBulkhead = OneWorkersBulkhead.TestCase


class BulkheadOfManyWorkers(RuleBasedStateMachine):
    """Requests come to three workers, whose turns come when they come; one is killed now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.instance = Instance(3)
        self.grants: list[int] = []
        self.holders: list[tuple[int, int]] = []  # worker, permit
        self.queue: list[tuple[int, Request]] = []  # in the order they came
        self.granted: list[tuple[int, Request]] = []
        self.arrived = 0

    @initialize(limit=st.integers(1, 4), queue=st.integers(0, 12))
    def begin(self, limit: int, queue: int) -> None:
        self.limit, self.room = limit, queue
        self.machines = [shared(self.instance, worker, limit, queue) for worker in range(3)]

    def learn(self) -> None:
        """Move those that were told; in each worker they are told in the order they came."""
        for number in self.grants:
            place = next(at for at, (_, request) in enumerate(self.queue) if request.number == number)
            worker, request = self.queue.pop(place)
            assert all(other != worker or one.number > number for other, one in self.queue)
            self.granted.append((worker, request))
        self.grants.clear()

    @rule()
    def time_passes(self) -> None:
        self.now += 0.5

    @rule(worker=WORKERS, patience=st.sampled_from([0.5, 8.0, 8.0, 8.0]))
    def one_comes(self, worker: int, patience: float) -> None:
        self.arrived += 1
        request = Request(self.arrived, self.now + patience, self.grants)
        verdict = self.machines[worker].try_acquire(self.now, request)
        self.learn()
        if verdict == WAIT:
            self.queue.append((worker, request))
        elif verdict == REFUSED:
            assert len(self.queue) >= self.room
        else:
            assert not [one for other, one in self.queue if other == worker], "a newcomer overtakes nobody"
            self.holders.append((worker, verdict))

    @precondition(lambda self: self.holders)
    @rule(data=st.data())
    def one_finishes(self, data: st.DataObject) -> None:
        worker, permit = self.holders.pop(data.draw(st.integers(0, len(self.holders) - 1)))
        self.machines[worker].settle(self.now, permit, OUTCOME, 0.1)
        self.learn()

    @precondition(lambda self: self.granted)
    @rule(data=st.data(), leaves=st.booleans())
    def a_granted_one_goes_on(self, data: st.DataObject, leaves: bool) -> None:
        worker, request = self.granted.pop(data.draw(st.integers(0, len(self.granted) - 1)))
        if leaves:
            self.machines[worker].withdraw(self.now, request)
        else:
            self.holders.append((worker, self.machines[worker].resume(self.now, request)))
            assert self.holders[-1][1] > 0
        self.learn()

    @precondition(lambda self: self.queue)
    @rule(data=st.data(), leaves=st.booleans())
    def a_waiting_one_asks_or_leaves(self, data: st.DataObject, leaves: bool) -> None:
        at = data.draw(st.integers(0, len(self.queue) - 1))
        worker, request = self.queue[at]
        if leaves:
            del self.queue[at]
            self.machines[worker].withdraw(self.now, request)
        else:
            verdict = self.machines[worker].resume(self.now, request)
            if verdict != WAIT:
                self.queue.remove((worker, request))
            if verdict > 0:
                self.holders.append((worker, verdict))
            assert verdict != REFUSED or self.now >= request.deadline
        self.learn()

    @rule(worker=WORKERS)
    def a_worker_has_its_turn(self, worker: int) -> None:
        self.instance.turn(worker, self.now)
        self.learn()

    @rule(worker=WORKERS)
    def a_worker_dies(self, worker: int) -> None:
        self.instance.kill(worker)
        self.machines[worker] = shared(self.instance, worker, self.limit, self.room)
        self.holders = [one for one in self.holders if one[0] != worker]
        self.queue = [one for one in self.queue if one[0] != worker]
        self.granted = [one for one in self.granted if one[0] != worker]

    @rule(worker=WORKERS)
    def the_same_rules_again(self, worker: int) -> None:
        fresh = shared(self.instance, worker, self.limit, self.room)
        fresh.inherit(self.machines[worker], self.now)
        self.machines[worker] = fresh
        self.learn()

    @invariant()
    def it_is_never_over_its_limit_and_every_worker_sees_the_same(self) -> None:
        if "machines" not in self.__dict__:
            return
        seen = self.machines[0].snapshot(self.now)
        assert seen["in_flight"] == self.machines[2].snapshot(self.now)["in_flight"]
        taken = len(self.holders) + len(self.granted)
        assert isinstance(seen["in_flight"], int)
        assert taken <= seen["in_flight"] <= self.limit
        assert isinstance(seen["queued"], int)
        # What is set aside is either.
        assert seen["in_flight"] + seen["queued"] <= taken + len(self.queue) + (seen["in_flight"] - taken)

    @rule()
    def everybody_has_a_turn(self) -> None:
        if "machines" in self.__dict__:
            self.instance.deliver(self.now)
            self.learn()
            taken = len(self.holders) + len(self.granted)
            assert self.machines[0].snapshot(self.now)["in_flight"] == taken
            assert self.machines[1].snapshot(self.now)["queued"] == len(self.queue)
            assert not self.queue or taken == self.limit, "none waits beside a place"

    def teardown(self) -> None:
        """When all are served, nothing is left."""
        if "machines" not in self.__dict__:
            return
        self.everybody_has_a_turn()
        while self.granted or self.holders:
            if self.granted:
                worker, request = self.granted.pop()
                self.holders.append((worker, self.machines[worker].resume(self.now, request)))
            worker, permit = self.holders.pop()
            self.machines[worker].settle(self.now, permit, OUTCOME, 0.1)
            self.everybody_has_a_turn()
        assert self.queue == []


TestBulkheadOfManyWorkers = BulkheadOfManyWorkers.TestCase


class OrderOverWorkers(BulkheadInAnyOrder):
    """Where every call is heard at once, three workers have one queue."""

    def __init__(self) -> None:
        super().__init__()
        self.instance = Instance(3)
        self.workers: list[SharedBulkhead] = []
        self.turn = 0  # whom the next one asks

    def made(self, limits: tuple[int, int, float | None]) -> Bulkhead:
        older, self.workers = self.workers, [shared(self.instance, worker, *limits) for worker in range(3)]
        for worker, before in enumerate(older):
            if worker != self.turn:  # it inherits as every machine does
                self.workers[worker].inherit(before, self.now)
        return self.workers[self.turn]

    def learn(self) -> None:
        self.instance.deliver(self.now)
        self.grants.sort()  # places that come free at once are the oldest ones', each told in its worker's turn
        super().learn()
        self.turn = (self.turn + 1) % 3
        self.machine = self.workers[self.turn]


TestOrderOverWorkers = OrderOverWorkers.TestCase
