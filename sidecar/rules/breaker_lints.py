"""Circuit breakers that cannot do what they were written for: warnings about one, a route's or an upstream's."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from sidecar.policies.bulkhead import BulkheadSpec
from sidecar.policies.circuit_breaker import CircuitBreakerSpec
from sidecar.policies.rate_limit import RateLimitSpec
from sidecar.policies.retry import RetrySpec
from sidecar.policies.timeout import TimeoutSpec
from sidecar.policies.units import show_duration
from sidecar.rules.places import Places
from sidecar.rules.problems import Problem
from sidecar.rules.schema import RouteRule


def breaker_lints(
    breaker: CircuitBreakerSpec, here: tuple[str, ...], users: Sequence[RouteRule], known: Places
) -> Iterator[Problem]:
    """Warnings about the breaker that is written at `here` and sees the attempts of these routes."""
    # Only where an attempt's own time was given: the deadline alone is no time that anybody expects an attempt to take.
    attempts = [spec.attempt for route in users if (spec := route.spec(TimeoutSpec)) is not None and spec.attempt]
    if attempts and breaker.window < max(attempts):
        window, longest = show_duration(breaker.window), show_duration(max(attempts))
        yield known.at(*here, "window").warning(
            f"the breaker looks back {window}, less than one attempt may take ({longest})"
        )
    times = [attempt_time(route) for route in users]
    slow_after = breaker.slow_after
    if slow_after is not None and times and slow_after > max(times) and known.wrote(*here, "slow_after"):
        yield known.at(*here, "slow_after").warning(
            f"no attempt is ever slow: it is given up after {show_duration(max(times))}"
        )
    if breaker.half_open_requests > breaker.min_requests and known.wrote(*here, "half_open_requests"):
        yield known.at(*here, "half_open_requests").warning(
            f"closing takes {breaker.half_open_requests} successes, more than the {breaker.min_requests} attempts "
            "that opening takes (`min_requests`)"
        )
    if users and breaker.consecutive_failures is None:
        yield from _opens_never(breaker, here, users, known)


def _opens_never(
    breaker: CircuitBreakerSpec, here: tuple[str, ...], users: Sequence[RouteRule], known: Places
) -> Iterator[Problem]:
    wanted = breaker.min_requests
    admitted = sum([_admitted(route, breaker.window) for route in users])
    if admitted < wanted:
        yield known.at(*here, "min_requests").warning(
            f"the breaker can never open: the rate limits admit at most {admitted:g} attempts in its window, "
            f"and it wants {wanted}"
        )
        return
    ended = sum([_ended_when_all_hang(route, breaker.window) for route in users])
    if ended < wanted:
        yield known.at(*here, "min_requests").warning(
            f"an upstream that hangs can never open the breaker: so few requests are in flight (`concurrency`) that at "
            f"most {ended:g} attempts time out in its window, and it wants {wanted}"
        )


def attempt_time(route: RouteRule) -> float:
    """The longest that one attempt may take, in seconds; infinity where nothing bounds it."""
    timeout = route.spec(TimeoutSpec)
    if timeout is None:
        return math.inf
    return min(timeout.attempt or math.inf, timeout.request or math.inf)


def _admitted(route: RouteRule, window: float) -> float:
    """How many attempts the route's rate limits let through in a window. A limit with a key bounds only its callers."""
    shared = [
        limit.rate * window + limit.capacity
        for limit in route.specs(RateLimitSpec)
        if not limit.key and limit.mode == "enforce"
    ]
    retry = route.spec(RetrySpec)
    return min(shared, default=math.inf) * (1 if retry is None else retry.max_attempts)


def _ended_when_all_hang(route: RouteRule, window: float) -> float:
    """How many attempts end in a window when each takes all its time. Failures that come at once are not bounded."""
    bulkhead, longest = route.spec(BulkheadSpec), attempt_time(route)
    if bulkhead is None or bulkhead.mode != "enforce" or longest == math.inf:
        return math.inf
    return bulkhead.most * (window // longest + 1)
