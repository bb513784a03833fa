"""A whole small world of exchanges in virtual time: real machines shared by all, fakes that say anything, one driver.

Whatever happens in it is drawn from one seed and from what a test lets happen, so two worlds of one seed have one
history. The driver does what the bridge does, and checks at each step what must hold there.
"""

from __future__ import annotations

import math
import random
from typing import Any

from sidecar.exchange.decision import Decision
from sidecar.exchange.steps import ATTEMPT, DELIVER, REJECT, STOP, SUBSTITUTE, WAIT
from sidecar.model.observer import BreakerObserver
from sidecar.model.outcome import Cause, Outcome
from sidecar.model.reason import Reason
from sidecar.policies.bulkhead import Bulkhead, BulkheadSpec
from sidecar.policies.circuit_breaker import CircuitBreaker, CircuitBreakerSpec
from sidecar.policies.contract import ADMITTED, REFUSED, Admission, Applicant, Key
from sidecar.policies.contract import WAIT as ASKED_TO_WAIT
from sidecar.policies.ejection import Ejection
from sidecar.policies.fallback import Fallback, FallbackSpec
from sidecar.policies.health_gate import EjectionSpec, HoldSpec
from sidecar.policies.hold import Hold
from sidecar.policies.rate_limit import RateLimits, RateLimitSpec
from sidecar.policies.retry import BackoffSpec, Retry, RetrySpec
from sidecar.policies.retry_budget import RetryBudget
from sidecar.policies.split import Split
from sidecar.runtime.endpoint import Endpoint
from sidecar.runtime.route import Branch, Route
from sidecar.runtime.upstream import Sentinel
from tests.exchange.scripts import START, Attempts, Told, upstream

PLACES = 5
PROBES = 2
MAX_ATTEMPTS = 3
SWITCHED = 101
BEFORE_IT_IS_SENT = (Cause.CONNECT_FAILURE, Cause.CONNECT_TIMEOUT, Cause.POOL_FULL)
AFTER_IT_IS_SENT = (Cause.RESET, Cause.PROTOCOL_ERROR, Cause.STALE)


class Whim(Admission):
    """Says anything, and sees to it that each permit comes back once and that only those are resumed that wait."""

    def __init__(self, name: str, rng: random.Random, waits: bool, shadow: bool = False) -> None:
        super().__init__(name, Reason.CONCURRENCY_LIMITED, shadow)
        self.rng = rng
        self.waits = waits
        self.given = 0
        self.out: set[int] = set()
        self.silent: set[int] = set()  # of those out, the ones whose answer has not begun
        self.waiting: list[Applicant] = []

    def try_acquire(self, now: float, applicant: Applicant) -> int:
        assert applicant not in self.waiting
        drawn = self.rng.random()
        if drawn < 0.2:
            return ADMITTED
        if drawn < 0.25:
            return REFUSED
        if drawn < 0.4 and self.waits:
            self.waiting.append(applicant)
            self.wait_until = now + self.rng.choice((0.25, 1.0, 8.0))
            return ASKED_TO_WAIT
        self.given += 1
        self.out.add(self.given)
        self.silent.add(self.given)
        return self.given

    def resume(self, now: float, applicant: Applicant) -> int:
        self.waiting.remove(applicant)
        return self.try_acquire(now, applicant)

    def withdraw(self, now: float, applicant: Applicant) -> None:
        self.waiting.remove(applicant)

    def answering(self, now: float, permit: int) -> None:
        self.silent.remove(permit)

    def settle(self, now: float, permit: int, outcome: Outcome, seconds: float) -> None:
        self.out.remove(permit)
        self.silent.discard(permit)
        assert seconds >= 0.0

    def available(self, now: float) -> bool:
        return self.rng.random() < 0.9


class Watch(Sentinel):
    """Looks after endpoints that are gone, and never more often than they go."""

    def __init__(self) -> None:
        self.lost: list[Endpoint] = []

    def unreachable(self, endpoint: Endpoint) -> None:
        assert endpoint.down
        assert endpoint not in self.lost
        self.lost.append(endpoint)


class Exchange:
    """One exchange and its driver. `stage` is `held`, `waiting` (for a connection), `sending`, `relaying` or `done`."""

    def __init__(self, world: World, method: bytes, limit: float, late: float, uploads: bool) -> None:
        self.world = world
        self.stage = "held"
        self.woken_up = False
        self.uploading = uploads
        self.delivered_at = 0  # attempts made when an answer was delivered
        self.decision = Decision(world.route, self, world.now - late, limit)
        self.decision.method = method
        self.perform(self.decision.begin(world.now))

    def key(self, key: Key) -> str:
        """See Driver."""
        return key.text

    def woken(self) -> None:
        """See Driver."""
        self.woken_up = True

    def perform(self, step: int) -> None:
        """What the bridge does at a step."""
        d, now = self.decision, self.world.now
        self.world.history.append((now, step, d.attempt, d.reason, d.status, d.wait_until))
        if step == ATTEMPT:
            assert not self.delivered_at
            assert now < d.deadline
            assert d.endpoint is not None
            self.stage = "waiting"
            self.world.attempts_made += 1
            if not self.uploading:
                d.request_sent(now)
            if self.world.rng.random() < 0.75:  # a connection that is there
                self.connected()
        elif step == WAIT:
            assert d.wait_until > now or self.woken_up
            self.stage = "held"
        elif step == REJECT:
            assert d.reason is not None
            self.finish()
        elif step == DELIVER:
            self.stage = "relaying"
            self.delivered_at = d.attempt
        elif step == SUBSTITUTE:
            d.replaced(now)
            self.finish()
        else:
            assert step == STOP
            self.finish()

    def finish(self) -> None:
        """The end, whatever it is."""
        self.stage = "done"
        self.decision.ended(self.world.now)
        self.decision.ended(self.world.now)

    def leaves(self) -> None:
        """The client goes, at any stage."""
        self.decision.abandoned(self.world.now)
        self.decision.reason = Reason.DOWNSTREAM_GONE
        self.finish()

    def connected(self) -> None:
        """The endpoint gets what there is of the request."""
        self.stage = "sending"
        self.decision.sent = True

    def uploaded(self) -> None:
        """The last byte of the request is here."""
        self.uploading = False
        if self.stage != "held":
            self.decision.request_sent(self.world.now)

    def timer(self) -> None:
        """Whatever is due at this instant."""
        d, now = self.decision, self.world.now
        if self.stage == "held":
            if now >= d.wait_until or self.woken_up:
                self.perform(d.resumed(now))
            self.woken_up = False
        elif self.stage == "relaying":
            if now >= d.total_deadline:
                self.perform(d.overdue(now))
        elif now >= d.attempt_deadline:
            self.perform(d.expired(now))


class World:
    """Everything of one seed."""

    def __init__(self, seed: int) -> None:
        rng = self.rng = random.Random(seed)
        self.now = START
        self.history: list[tuple[Any, ...]] = []
        self.attempts_made = 0
        self.attempts, self.told = Attempts(), Told()
        self.upstreams = [upstream(name, 1, 2, 3, told=self.attempts) for name in ("a", "b")]
        self.watch = Watch()
        self.hold = Hold("a/hold", HoldSpec(timeout=4.0, max_requests=3), self.attempts)
        self.upstreams[0].hold, self.upstreams[0].sentinel = self.hold, self.watch
        budget = RetryBudget(0.5, 4.0)
        spec = RetrySpec(max_attempts=MAX_ATTEMPTS, backoff=BackoffSpec(base=0.5, max=2.0))
        breaking = CircuitBreakerSpec(
            failure_ratio=0.8, min_requests=6, open_for=1.0, max_open_for=2.0, half_open_requests=PROBES
        )
        once, each = Whim("once", rng, waits=True), Whim("each", rng, waits=False)
        shadow, shadow_each = Whim("shadow", rng, True, shadow=True), Whim("shadow each", rng, False, shadow=True)
        self.whims = [once, each, shadow, shadow_each]
        self.breakers: list[CircuitBreaker] = []
        branches = []
        for one in self.upstreams:
            one.ejection = Ejection(EjectionSpec(consecutive_failures=2, base=2.0), self.attempts)
            breaker = CircuitBreaker(one.name, one.name, breaking, 5.0, rng, BreakerObserver())
            self.breakers.append(breaker)
            branches.append(Branch(one, [each, shadow_each, breaker], Retry("r/retry", spec, budget, rng)))
        self.route = Route("r", branches, _no_matcher(), self.told)
        self.places = Bulkhead("r/concurrency", BulkheadSpec(max=PLACES, max_queue=3, max_wait=3.0))
        limit = RateLimitSpec(name="all", rate=8.0, burst=16.0, max_wait=1.0)
        self.limits = RateLimits("r", [(limit, None)], self.told)
        self.route.admissions = (shadow, self.limits, self.places, once)
        self.route.split = Split([("a", 3), ("b", 1)], rng)
        self.route.fallback = Fallback("r/fallback", FallbackSpec(on=(500, "retries_exhausted"), status=200))
        self.route.request_timeout, self.route.attempt_timeout, self.route.total_timeout = 8.0, 3.0, 20.0
        self.exchanges: list[Exchange] = []

    def arrive(self, method: bytes, limit: float, late: float, uploads: bool) -> None:
        """A request, whose first byte came `late` seconds ago."""
        self.exchanges.append(Exchange(self, method, limit, late, uploads))

    def some(self, number: int, *stages: str) -> Exchange | None:
        """One of the exchanges at one of these stages, if there is any."""
        there = [one for one in self.exchanges if one.stage in stages]
        return there[number % len(there)] if there else None

    def connects(self, number: int) -> None:
        """A connection has come free."""
        one = self.some(number, "waiting")
        if one is not None:
            one.connected()

    def uploads(self, number: int) -> None:
        """The last byte of a request is here."""
        one = self.some(number, "held", "waiting", "sending")
        if one is not None and one.uploading:
            one.uploaded()

    def forgets(self, number: int) -> None:
        """The body of a request is no longer there."""
        one = self.some(number, "sending")
        if one is not None:
            one.decision.kept = False

    def leaves(self, number: int) -> None:
        """A client goes."""
        one = self.some(number, "held", "waiting", "sending", "relaying")
        if one is not None:
            one.leaves()

    def fails(self, number: int, which: int) -> None:
        """An attempt ends without the head of an answer."""
        one = self.some(number, "waiting", "sending")
        if one is not None:
            causes = BEFORE_IT_IS_SENT if one.stage == "waiting" else AFTER_IT_IS_SENT
            one.perform(one.decision.failed(self.now, causes[which % len(causes)]))

    def answers(self, number: int, status: int, hint: float) -> None:
        """The head of an answer."""
        one = self.some(number, "sending")
        if one is None:
            return
        if status == SWITCHED:
            one.decision.switched(self.now)
            one.perform(DELIVER)
        else:
            one.perform(one.decision.answered(self.now, status, hint))

    def ends(self, number: int, well: bool) -> None:
        """An answer that is relayed comes to its end, or breaks off."""
        one = self.some(number, "relaying")
        if one is None:
            return
        if well:
            one.decision.completed(self.now)
            one.finish()
        else:
            one.perform(one.decision.broken_off(self.now, Cause.RESET))

    def passes(self, seconds: float) -> None:
        """Time goes by, and whatever is due then happens."""
        self.now += seconds
        for one in list(self.exchanges):
            if one.stage != "done":
                one.timer()

    def calls(self, number: int) -> None:
        """A machine tells one that waits for it that it may go on."""
        waiting = [applicant for whim in self.whims for applicant in whim.waiting]
        if waiting:
            waiting[number % len(waiting)].granted(self.now)

    def goes(self, number: int) -> None:
        """A check finds an endpoint dead."""
        group = self.upstreams[0]
        group.mark_down(self.now, group.endpoints[number % 3])

    def comes_back(self, number: int) -> None:
        """A check finds an endpoint well."""
        group = self.upstreams[0]
        endpoint = group.endpoints[number % 3]
        if endpoint in self.watch.lost:
            self.watch.lost.remove(endpoint)
        group.mark_up(self.now, endpoint)

    def anything(self, rng: random.Random) -> None:
        """One event, drawn from `rng`: more of those that lead on than of those that end."""
        number, chance = rng.randrange(12), rng.random()
        if chance < 0.2:
            late = rng.choice((0.0, 0.0, 0.0, 4.0, 8.0))
            self.arrive(rng.choice((b"GET", b"GET", b"POST")), rng.choice((NO_LIMIT, 5.0)), late, chance < 0.05)
        elif chance < 0.3:
            self.connects(number)
        elif chance < 0.35:
            self.uploads(number)
        elif chance < 0.5:
            self.fails(number, rng.randrange(3))
        elif chance < 0.7:
            status = rng.choice((SWITCHED, 200, 404, 500, 501, 503, 503))
            self.answers(number, status, rng.choice((-1.0, 0.0, 1.0, 60.0)))
        elif chance < 0.8:
            self.ends(number, chance < 0.78)
        elif chance < 0.83:
            self.leaves(number)
        elif chance < 0.86:
            self.calls(number)
        elif chance < 0.91:
            self.goes(number)
        elif chance < 0.94:
            self.comes_back(number)
        else:
            self.passes(rng.choice((0.0, 0.25, 0.25, 0.5, 0.5, 1.0, 3.0)))

    def check(self) -> None:
        """What holds at any instant."""
        live = [one for one in self.exchanges if one.stage != "done"]
        under_way = sum(one.stage in ("waiting", "sending", "relaying") for one in live)
        in_flight = [endpoint.in_flight for one in self.upstreams for endpoint in one.endpoints]
        assert min(in_flight) >= 0
        assert sum(in_flight) == under_way
        assert len(self.attempts.outcomes) == self.attempts_made - under_way
        assert 0 <= _number(self.places, "in_flight", self.now) <= PLACES
        assert all(_number(breaker, "leases", self.now) <= PROBES for breaker in self.breakers)
        waiting = [one for one in live if one.decision.waiting is self.hold]
        assert _number(self.hold, "held", self.now) == len(waiting) <= 3
        for one in self.exchanges:
            d = one.decision
            assert d.attempt <= MAX_ATTEMPTS + d.retried_stale
            assert not one.delivered_at or d.attempt == one.delivered_at
            assert not d.held or one.stage != "done"
            assert not d.held_by_attempt or one.stage in ("waiting", "sending", "relaying")

    def close(self) -> None:
        """Everybody goes, and nothing is left of anybody."""
        for one in self.exchanges:
            if one.stage != "done":
                one.leaves()
        self.check()
        assert all(not whim.out and not whim.waiting for whim in self.whims)
        assert (_number(self.places, "in_flight", self.now), _number(self.places, "queued", self.now)) == (0, 0)
        assert (_number(self.limits, "waiting", self.now), _number(self.hold, "held", self.now)) == (0, 0)
        assert all(_number(breaker, "leases", self.now) == 0 for breaker in self.breakers)


def _number(machine: Admission, name: str, now: float) -> float:
    value = machine.snapshot(now)[name]
    assert isinstance(value, int)
    return value


def _no_matcher() -> Any:
    return None


NO_LIMIT = math.inf
