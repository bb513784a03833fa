"""The other admissions, the retry budget and ejection: what a request that meets no resistance pays for each."""

import math
from random import Random

from benchmarks.micro import Calls
from benchmarks.micro.rate_limit import Client, ClientIp
from sidecar.model.observer import BreakerObserver, RouteObserver, UpstreamObserver
from sidecar.model.outcome import Outcome
from sidecar.policies.bulkhead import Bulkhead, BulkheadSpec
from sidecar.policies.circuit_breaker import CircuitBreaker, CircuitBreakerSpec
from sidecar.policies.contract import Admission
from sidecar.policies.ejection import Ejection, EndpointHealth
from sidecar.policies.health_gate import EjectionSpec
from sidecar.policies.rate_limit import RateLimits, RateLimitSpec
from sidecar.policies.retry import Retry, RetrySpec
from sidecar.policies.retry_budget import RetryBudget


def _bulkhead() -> Bulkhead:
    return Bulkhead("route/concurrency", BulkheadSpec(max=100))


def _breaker() -> CircuitBreaker:
    spec = CircuitBreakerSpec()
    return CircuitBreaker("app/circuit_breaker", "upstream.app", spec, math.inf, Random(0), BreakerObserver())


def _retry() -> Retry:
    return Retry("route/retry", RetrySpec(), RetryBudget(0.2, 10.0), Random(0))


def _given_and_settled(machine: Admission) -> Calls:
    client = Client("10.0.0.1")
    success = Outcome.SUCCESS
    now = 1000.0

    def calls(count: int) -> None:
        nonlocal now
        for _ in range(count):
            now += 1e-6
            machine.settle(now, machine.try_acquire(now, client), success, 0.01)

    return calls


def bulkhead() -> Calls:
    """A place is taken and given back."""
    return _given_and_settled(_bulkhead())


def breaker() -> Calls:
    """A closed breaker gives a permit and is told of a success."""
    return _given_and_settled(_breaker())


def deposit() -> Calls:
    """A request pays its share into the budget of retries."""
    retry = _retry()
    now = 1000.0

    def calls(count: int) -> None:
        nonlocal now
        for _ in range(count):
            now += 1e-6
            retry.deposit(now)

    return calls


def repeats_status() -> Calls:
    """An answer's status is none to try again after."""
    retry = _retry()

    def calls(count: int) -> None:
        for _ in range(count):
            retry.repeats_status(200)

    return calls


def ejection() -> Calls:
    """An endpoint's success is counted."""
    machine = Ejection(EjectionSpec(), UpstreamObserver())
    health = EndpointHealth("app/127.0.0.1:3000")
    success = Outcome.SUCCESS

    def calls(count: int) -> None:
        for _ in range(count):
            machine.settle(1000.0, 999.0, health, success)

    return calls


def one_request() -> Calls:
    """All of one request: two rate limits, one of them by client; a place; a breaker's permit; a deposit; settled."""
    everybody = RateLimitSpec(name="all", rate=1e9, burst=20.0)
    each = RateLimitSpec(name="each", rate=1e9, burst=20.0, key=("client_ip",))
    limits = RateLimits("route", [(everybody, None), (each, ClientIp())], RouteObserver())
    places, breaker, retry = _bulkhead(), _breaker(), _retry()
    client = Client("10.0.0.1")
    success = Outcome.SUCCESS
    now = 1000.0

    def calls(count: int) -> None:
        nonlocal now
        for _ in range(count):
            now += 1e-6
            limits.try_acquire(now, client)
            place = places.try_acquire(now, client)
            retry.deposit(now)
            breaker.settle(now, breaker.try_acquire(now, client), success, 0.01)
            places.settle(now, place, success, 0.01)

    return calls
