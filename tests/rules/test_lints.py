"""Rules that are valid and hardly meant are warned about, where they stand."""

from __future__ import annotations

import pytest

from sidecar.rules.load import load_text
from sidecar.rules.overlay import Given

UPSTREAM = "upstreams: {app: {endpoints: 'http://a:1'}}\n"


def warnings(text: str) -> list[str]:
    found = [str(problem) for problem in load_text(text, "f", Given()).warnings]
    return [said for said in found if "not in force" not in said]


def route(policies: str) -> str:
    return f"{UPSTREAM}routes:\n- {{name: all, upstream: app, {policies}}}\n"


@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        (
            "timeout: {request: 1s, attempt: 2s}",
            "f:3:62: warning: an attempt may take 2s, but the whole request only 1s",
        ),
        (
            "timeout: {request: 5s, attempt: 2s}, retry: {max_attempts: 3}",
            "f:3:89: warning: 3 attempts of 2s do not fit into the request's 5s",
        ),
        ("retry: {methods: all}", "f:3:47: warning: `methods: all` repeats requests"),
        (
            "rate_limits: [{name: x, rate: 1/s, burst: 0.5}]",
            "f:3:72: warning: `x` admits nothing: a request costs 1, and the burst is 0.5",
        ),
        (
            "rate_limits: [{name: x, rate: 1/m}], circuit_breaker: {min_requests: 10, window: 60s}",
            "f:3:99: warning: the breaker can never open: the rate limits admit at most 2 requests in its window",
        ),
        (
            "timeout: {request: 60s, attempt: 20s}, circuit_breaker: {window: 10s}",
            "f:3:95: warning: the breaker looks back 10s, less than one attempt may take (20s)",
        ),
    ],
)
def test_what_is_hardly_meant_is_warned_about(policies: str, expected: str) -> None:
    said = warnings(route(policies))
    assert len(said) == 1
    assert said[0].startswith(expected), said


@pytest.mark.parametrize(
    "policies",
    [
        "timeout: {request: 5s, attempt: 5s}",
        "timeout: {request: 6s, attempt: 2s}, retry: {max_attempts: 3}",
        "rate_limits: [{name: x, rate: 1/m, key: client_ip}], circuit_breaker: {}",
        "rate_limits: [{name: x, rate: 1/m}], circuit_breaker: {consecutive_failures: 2}",
    ],
)
def test_what_makes_sense_is_left_alone(policies: str) -> None:
    assert warnings(route(policies)) == []


def test_a_shorter_route_is_not_blamed_for_what_it_inherits() -> None:
    text = route("timeout: {request: 1s}").replace("routes", "defaults: {timeout: {request: 9s, attempt: 5s}}\nroutes")
    assert warnings(text) == []


def test_an_upstream_s_breaker_is_compared_with_its_routes_attempts() -> None:
    text = route("timeout: {request: 60s, attempt: 20s}").replace("1'}", "1', circuit_breaker: {window: 5s}}")
    assert warnings(text)[0].startswith("f:1:70: warning: the breaker looks back 5s")


@pytest.mark.parametrize(
    ("earlier", "later", "covered"),
    [
        ("{}", "{path: /a}", True),
        ("{path: /a}", "{path: /a/b}", True),
        ("{path: /a}", "{path: =/a/b}", True),
        ("{path: /a}", "{path: '/a/{x}'}", True),
        ("{path: /a}", "{path: /ab}", False),
        ("{path: =/a}", "{path: /a}", False),
        ("{path: '/u/{a}'}", "{path: '/u/{b}'}", True),
        ("{path: '/u/{a}'}", "{path: =/u/1}", True),
        ("{path: '/u/{a}'}", "{path: /u/1}", False),
        ("{path: '/u/{a}'}", "{path: =/u/}", False),
        ("{methods: GET}", "{}", False),
        ("{methods: [GET, POST]}", "{methods: GET}", True),
        ("{headers: {x-a: '1'}}", "{headers: {x-a: '1', x-b: '2'}}", True),
        ("{headers: {x-a: '1'}}", "{headers: {x-a: '2'}}", False),
        ("{host: '*.a.com'}", "{host: b.a.com}", True),
        ("{host: '*.a.com'}", "{host: '*.b.a.com'}", True),
        ("{host: '*.a.com'}", "{host: a.com}", False),
        ("{host: a.com}", "{}", False),
    ],
)
def test_a_route_that_an_earlier_one_covers_is_never_reached(earlier: str, later: str, covered: bool) -> None:
    text = (
        f"{UPSTREAM}routes:\n- {{name: one, match: {earlier}, upstream: app}}\n"
        f"- {{name: two, match: {later}, upstream: app}}\n"
    )
    expected = ["f:4:10: warning: the route `two` is never reached: `one` above takes all its requests"]
    assert warnings(text) == (expected if covered else [])
