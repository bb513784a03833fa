"""What surrounds a decision, as its tests need it: machines that say what they are told to say, and ears."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

from sidecar.exchange.decision import Decision
from sidecar.model.address import Address
from sidecar.model.observer import RouteObserver, UpstreamObserver
from sidecar.model.outcome import Outcome
from sidecar.model.reason import Reason
from sidecar.policies.contract import ADMITTED, Admission, Applicant, Key
from sidecar.policies.retry import Retry, RetrySpec
from sidecar.policies.retry_budget import RetryBudget
from sidecar.policies.selection import RoundRobin
from sidecar.runtime.endpoint import Endpoint
from sidecar.runtime.route import Branch, Route
from sidecar.runtime.upstream import Upstream

START = 100.0


class Scripted(Admission):
    """Says one verdict after the other, the last one for ever, and notes in `log` whatever it is asked and told."""

    def __init__(self, name: str, log: list[tuple[Any, ...]], *verdicts: int, shadow: bool = False) -> None:
        super().__init__(name, Reason.CONCURRENCY_LIMITED, shadow)
        self.log = log
        self.verdicts = list(verdicts) or [ADMITTED]
        self.open = True

    def _next(self) -> int:
        return self.verdicts.pop(0) if len(self.verdicts) > 1 else self.verdicts[0]

    def try_acquire(self, now: float, applicant: Applicant) -> int:
        self.log.append(("asked", self.name))
        return self._next()

    def resume(self, now: float, applicant: Applicant) -> int:
        self.log.append(("resumed", self.name))
        return self._next()

    def withdraw(self, now: float, applicant: Applicant) -> None:
        self.log.append(("withdrawn", self.name))

    def answering(self, now: float, permit: int) -> None:
        self.log.append(("answering", self.name, permit))

    def settle(self, now: float, permit: int, outcome: Outcome, seconds: float) -> None:
        self.log.append(("settled", self.name, permit, outcome, seconds))

    def available(self, now: float) -> bool:
        return self.open


class Told(RouteObserver):
    """A route's observer that remembers what concerns a decision."""

    def __init__(self) -> None:
        self.shadow_rejections: list[tuple[str, Reason]] = []
        self.retries: list[str] = []
        self.skipped: list[str] = []
        self.fallbacks: list[tuple[str, str]] = []

    def shadow_rejected(self, rule: str, reason: Reason) -> None:
        self.shadow_rejections.append((rule, reason))

    def retried(self, reason: str) -> None:
        self.retries.append(reason)

    def retry_skipped(self, why: str) -> None:
        self.skipped.append(why)

    def fell_back(self, kind: str, cause: str) -> None:
        self.fallbacks.append((kind, cause))


class Attempts(UpstreamObserver):
    """An upstream's observer that remembers attempts and ejections."""

    def __init__(self) -> None:
        self.outcomes: list[tuple[str, float]] = []
        self.out: list[str] = []

    def attempt_finished(self, outcome: str, seconds: float) -> None:
        self.outcomes.append((outcome, seconds))

    def ejected(self, endpoint: str, seconds: float) -> None:
        self.out.append(endpoint)

    @property
    def words(self) -> list[str]:
        """How the attempts ended."""
        return [word for word, _ in self.outcomes]


class Hands:
    """A driver: it knows what keys say, and counts how often it was woken."""

    def __init__(self, value: str = "") -> None:
        self.value = value
        self.asked: list[str] = []
        self.wakings = 0

    def key(self, key: Key) -> str:
        self.asked.append(key.text)
        return self.value

    def woken(self) -> None:
        self.wakings += 1


class Dice(random.Random):
    """Throws the same number each time."""

    def __init__(self, number: float) -> None:
        super().__init__(0)
        self.number = number

    def random(self) -> float:
        return self.number


def upstream(name: str, *ports: int, told: UpstreamObserver | None = None) -> Upstream:
    """Endpoints of this machine, each in turn."""
    endpoints = [Endpoint(name, Address("127.0.0.1", port)) for port in ports]
    return Upstream(name, endpoints, RoundRobin(), random.Random(1), told or Attempts())


def retry(spec: RetrySpec, budget: RetryBudget | None = None, dice: float = 0.0) -> Retry:
    """Without `dice`, every wait is 0."""
    return Retry("r/retry", spec, budget, Dice(dice))


class Scene:
    """A route to one upstream, and an exchange on it that began at START and whose GET has been read whole."""

    def __init__(
        self,
        *ports: int,
        once: Sequence[Admission] = (),
        each: Sequence[Admission] = (),
        policy: Retry | None = None,
        request: float = 15.0,
        attempt: float = 5.0,
        total: float = math.inf,
    ) -> None:
        self.told = Told()
        self.attempts = Attempts()
        self.upstream = upstream("app", *(ports or (1,)), told=self.attempts)
        self.endpoints = self.upstream.endpoints
        self.route = Route("r", [Branch(self.upstream, each, policy)], _no_matcher(), self.told)
        self.route.admissions = tuple(once)
        self.route.request_timeout = request
        self.route.attempt_timeout = attempt
        self.route.total_timeout = total
        self.hands = Hands()

    def decision(self, limit: float = math.inf, method: bytes = b"GET", started: float = START) -> Decision:
        """A new exchange."""
        made = Decision(self.route, self.hands, started, limit)
        made.method = method
        return made

    def begun(self, limit: float = math.inf, method: bytes = b"GET") -> Decision:
        """An exchange whose first attempt has got the whole request at START."""
        made = self.decision(limit, method)
        made.begin(START)
        sent(made, START)
        return made

    @property
    def in_flight(self) -> int:
        """Attempts under way, on all endpoints."""
        return sum(endpoint.in_flight for endpoint in self.endpoints)


def sent(decision: Decision, now: float) -> None:
    """The whole request is on its way, as a driver says it."""
    decision.request_sent(now)
    decision.sent = True


def _no_matcher() -> Any:
    return None
