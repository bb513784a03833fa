"""A circuit breaker that cannot do what it was written for is warned about."""

from __future__ import annotations

import pytest

from sidecar.rules.load import load_text
from sidecar.rules.overlay import Given

# Ten attempts in a window of ten seconds: what the numbers below are about.
BREAKER = "circuit_breaker: {min_requests: @10, window: 10s}"


def warnings(text: str) -> list[str]:
    return [str(problem) for problem in load_text(text, "f", Given()).warnings]


def on_route(policies: str) -> str:
    return f"upstreams: {{app: {{endpoints: 'http://a:1'}}}}\nroutes:\n- {{name: all, upstream: app, {policies}}}\n"


def on_upstream(breaker: str, *routes: str) -> str:
    head = f"upstreams: {{app: {{endpoints: 'http://a:1', {breaker}}}}}\nroutes:\n"
    return head + "".join(
        [
            f"- {{name: r{index}, match: {{path: /{index}}}, upstream: app, {route}}}\n"
            for index, route in enumerate(routes)
        ]
    )


def said_at_mark(text: str, sentence: str) -> None:
    lines = text.splitlines()
    line = next(index for index, content in enumerate(lines, 1) if "@" in content)
    column = lines[line - 1].index("@") + 1
    assert warnings(text.replace("@", "")) == [f"f:{line}:{column}: warning: {sentence}"]


@pytest.mark.parametrize(
    ("policies", "sentence"),
    [
        (
            f"rate_limits: [{{name: x, rate: 1/m}}], retry: null, {BREAKER}",
            "the breaker can never open: the rate limits admit at most 1.16667 attempts in its window, and it wants 10",
        ),
        (
            f"rate_limits: [{{name: x, rate: 6/m, burst: 2}}], retry: {{max_attempts: 3}}, {BREAKER}",
            "the breaker can never open: the rate limits admit at most 9 attempts in its window, and it wants 10",
        ),
        (
            f"concurrency: {{max: 3}}, timeout: {{request: 30s, attempt: 5s}}, {BREAKER}",
            "an upstream that hangs can never open the breaker: so few requests are in flight (`concurrency`) that at "
            "most 9 attempts time out in its window, and it wants 10",
        ),
        (
            "timeout: {request: 30s, attempt: 5s}, circuit_breaker: {slow_after: @6s}",
            "no attempt is ever slow: it is given up after 5s",
        ),
        (
            "timeout: {request: 3s}, circuit_breaker: {slow_after: @4s}",
            "no attempt is ever slow: it is given up after 3s",
        ),
        (
            "circuit_breaker: {min_requests: 5, half_open_requests: @6}",
            "closing takes 6 successes, more than the 5 attempts that opening takes (`min_requests`)",
        ),
        (
            "timeout: {request: 60s, attempt: 20s}, circuit_breaker: {window: @10s}",
            "the breaker looks back 10s, less than one attempt may take (20s)",
        ),
    ],
)
def test_a_breaker_that_cannot_do_its_work_is_warned_about(policies: str, sentence: str) -> None:
    said_at_mark(on_route(policies), sentence)


@pytest.mark.parametrize(
    "policies",
    [
        "circuit_breaker: {}",
        "circuit_breaker: {min_requests: 2}",
        "rate_limits: [{name: x, rate: 1/m, key: client_ip}], circuit_breaker: {}",
        "rate_limits: [{name: x, rate: 1/m, mode: shadow}], circuit_breaker: {}",
        "rate_limits: [{name: x, rate: 1/m}], circuit_breaker: {consecutive_failures: 2}",
        "rate_limits: [{name: x, rate: 1/m, burst: 4}], retry: {max_attempts: 3}, circuit_breaker: {}",
        "concurrency: {max: 4}, timeout: {request: 30s, attempt: 5s}, circuit_breaker: {}",
        "concurrency: {max: 1, mode: shadow}, circuit_breaker: {}",
        "concurrency: {max: 1}, timeout: null, circuit_breaker: {}",
        "timeout: {request: 3s}, circuit_breaker: {}",
        "timeout: {request: 30s, attempt: 5s}, circuit_breaker: {slow_after: 5s}",
    ],
)
def test_a_breaker_that_may_open_is_left_alone(policies: str) -> None:
    assert warnings(on_route(policies)) == []


def test_an_upstream_s_breaker_sees_the_attempts_of_all_its_routes() -> None:
    limit = "retry: null, rate_limits: [{name: x, rate: 2/m, burst: 5}]"
    said_at_mark(
        on_upstream(BREAKER.replace("@10", "@11"), limit, limit),
        "the breaker can never open: the rate limits admit at most 10.6667 attempts in its window, and it wants 11",
    )
    assert warnings(on_upstream(BREAKER.replace("@", ""), limit, limit)) == []
    assert warnings(on_upstream(BREAKER.replace("@10", "11"), limit, "retry: null")) == []


def test_an_upstream_s_breaker_is_compared_with_its_routes_attempts() -> None:
    said_at_mark(
        on_upstream("circuit_breaker: {window: @5s}", "timeout: {request: 60s, attempt: 20s}", "timeout: null"),
        "the breaker looks back 5s, less than one attempt may take (20s)",
    )


def test_a_breaker_that_nobody_uses_is_left_alone() -> None:
    text = on_upstream("circuit_breaker: {}", "retry: null").replace(
        "upstreams: {", "upstreams: {b: {endpoints: 'http://b:1', circuit_breaker: {slow_after: 9s}}, "
    )
    assert warnings(text) == []
