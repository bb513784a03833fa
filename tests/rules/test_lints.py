"""Rules that are valid and hardly meant are warned about, where they stand."""

from __future__ import annotations

import pytest

from sidecar.rules.load import load_text
from sidecar.rules.overlay import Given

UPSTREAM = "upstreams: {app: {endpoints: 'http://a:1', circuit_breaker: null}}\n"


def warnings(text: str) -> list[str]:
    return [str(problem) for problem in load_text(text, "f", Given(allow_faults=True)).warnings]


def route(policies: str, match: str = "{}") -> str:
    return f"{UPSTREAM}routes:\n- {{name: all, upstream: app, match: {match}, retry: null, {policies}}}\n".replace(
        "retry: null, retry", "retry"
    )


@pytest.mark.parametrize(
    ("policies", "sentence"),
    [
        (
            "timeout: {request: 1s, attempt: @2s}",
            "an attempt may take 2s, but the whole request only 1s",
        ),
        (
            "retry: {max_attempts: @3}, timeout: {request: 5s, attempt: 2s}",
            "3 attempts of 2s do not fit into the request's 5s",
        ),
        (
            "timeout: {request: 5s, total: @2s}",
            "the whole exchange may take 2s, less than its first part (5s)",
        ),
        ("retry: {methods: @all}", "`methods: all` repeats requests that may have been carried out, a POST among them"),
        (
            "retry: {methods: @[GET, POST, PATCH]}",
            "repeats POST and PATCH requests that may have been carried out; "
            "an Idempotency-Key qualifies a request without this",
        ),
        (
            "rate_limits: [{name: x, rate: 1/s, burst: @0.5}]",
            "`x` admits nothing: a request costs 1, and the burst is 0.5",
        ),
        (
            "timeout: {request: 3s}, rate_limits: [{name: x, rate: 1/s, max_wait: @4s}]",
            "a request may wait 4s here, but has only 3s in all",
        ),
        (
            "rate_limits: [{name: x, rate: 1/s, max_wait: @20s}]",
            "a request may wait 20s here, but has only 15s in all",
        ),
        (
            "timeout: {request: 3s}, concurrency: {max: 1, max_queue: 1, max_wait: @4s}",
            "a request may wait 4s here, but has only 3s in all",
        ),
        ("concurrency: {max: 1, max_wait: @1s}", "nothing ever waits: the queue has no place (`max_queue`)"),
        (
            "fallback: {on: [@rate_limited], status: 200}",
            "`rate_limited` never happens here: the route has no `rate_limits`",
        ),
        (
            "fallback: {on: [no_endpoint, @concurrency_limited], status: 200}",
            "`concurrency_limited` never happens here: the route has no `concurrency`",
        ),
        (
            "fallback: {on: [503, @retries_exhausted], status: 200}",
            "`retries_exhausted` never happens here: `retry` is off",
        ),
        (
            "retry: {max_attempts: 1}, fallback: {on: [@retries_exhausted], status: 200}",
            "`retries_exhausted` never happens here: `retry` makes one attempt only",
        ),
        (
            "fallback: {on: @circuit_open, status: 200}",
            "`circuit_open` never happens here: neither the route nor its upstream has a `circuit_breaker`",
        ),
        ("fault: {delay: {ratio: @0, duration: 1s}}", "nothing is delayed: the ratio is 0"),
        ("fault: {abort: {ratio: @0}}", "nothing is aborted: the ratio is 0"),
        (
            "circuit_breaker: {window: @10s}, timeout: {request: 60s, attempt: 20s}",
            "the breaker looks back 10s, less than one attempt may take (20s)",
        ),
    ],
)
def test_what_is_hardly_meant_is_warned_about_where_it_stands(policies: str, sentence: str) -> None:
    text = route(policies)
    column = text.splitlines()[2].index("@") + 1
    assert warnings(text.replace("@", "")) == [f"f:3:{column}: warning: {sentence}"]


@pytest.mark.parametrize(
    "policies",
    [
        "timeout: {request: 5s, attempt: 5s, total: 5s}",
        "timeout: {total: 9s}",
        "retry: {max_attempts: 3}, timeout: {request: 6s, attempt: 2s}",
        "retry: {on: 503}, timeout: {request: 5s, attempt: 2s}",
        "retry: {methods: all, max_attempts: 1}",
        "retry: {methods: all, on: connect_failure}",
        "retry: {methods: all, on: [connect_failure, certificate_expired]}",
        "retry: {methods: [GET, PUT, QUERY]}",
        "rate_limits: [{name: x, rate: 1/s, max_wait: 15s}]",
        "timeout: {request: 0s}, rate_limits: [{name: x, rate: 1/s, max_wait: 1h}]",
        "concurrency: {max: 1, max_queue: 1, max_wait: 15s}",
        "concurrency: {max: 1, max_wait: 0s}",
        "fallback: {on: [no_endpoint, timeout, 503], status: 200}",
        "fallback: {status: 200}",
        "fallback: {stale: {}}",
        "retry: {}, fallback: {on: retries_exhausted, status: 200}",
        "circuit_breaker: {}, fallback: {on: circuit_open, status: 200}",
        "rate_limits: [{name: x, rate: 1/s}], fallback: {on: rate_limited, status: 200}",
        "concurrency: {max: 1}, fallback: {on: concurrency_limited, status: 200}",
        "fault: {delay: {ratio: 0.1, duration: 1s}, abort: {ratio: 1}}",
        "circuit_breaker: {}",
    ],
)
def test_what_makes_sense_is_left_alone(policies: str) -> None:
    assert warnings(route(policies)) == []


def test_a_route_that_names_its_own_post_may_repeat_it() -> None:
    assert warnings(route("retry: {methods: [POST]}", "{methods: [POST]}")) == []
    assert len(warnings(route("retry: {methods: [POST, PATCH]}", "{methods: [POST]}"))) == 1


def test_a_fallback_may_count_on_the_breaker_of_its_upstream() -> None:
    text = route("fallback: {on: circuit_open, status: 200}")
    assert warnings(text.replace("circuit_breaker: null", "circuit_breaker: {}")) == []


def test_old_answers_are_only_there_for_routes_that_take_get() -> None:
    expected = "there is never an old answer to serve: only those to GET are kept, not to POST or PUT"
    assert warnings(route("fallback: {stale: {}}", "{methods: [GET, POST]}")) == []
    assert warnings(route("fallback: {stale: {}}", "{methods: [POST, PUT]}"))[0].endswith(expected)


def test_a_share_of_nothing_is_warned_about() -> None:
    text = (
        "upstreams: {a: {endpoints: 'http://a:1'}, b: {endpoints: 'http://b:1'}}\n"
        "routes:\n- {name: all, split: [{upstream: a, weight: 1}, {upstream: b, weight: 0}]}\n"
    )
    assert warnings(text) == ["f:3:71: warning: `b` gets no request: its weight is 0"]


@pytest.mark.parametrize(
    ("defaults", "policies"),
    [
        ("timeout: {request: 9s, attempt: 5s}", "timeout: {request: 1s}"),
        ("timeout: {request: 9s, total: 5s}", "timeout: {request: 6s}"),
        ("rate_limits: [{name: x, rate: 1/s, max_wait: 5s}]", "timeout: {request: 1s}"),
        ("concurrency: {max: 50, max_queue: 5, max_wait: 5s}", "timeout: {request: 1s}"),
        ("fallback: {on: [rate_limited, circuit_open, retries_exhausted], status: 200}", "timeout: {request: 1s}"),
        ("fallback: {stale: {}}", "match: {methods: POST}"),
        ("circuit_breaker: {window: 10s}", "timeout: {request: 60s, attempt: 20s}"),
        ("circuit_breaker: {}", "rate_limits: [{name: x, rate: 1/m}]"),
        ("circuit_breaker: {}", "concurrency: {max: 1}"),
    ],
)
def test_a_route_is_not_blamed_for_what_it_inherits(defaults: str, policies: str) -> None:
    text = f"{UPSTREAM}defaults: {{{defaults}}}\nroutes: [{{name: all, upstream: app, {policies}}}]\n"
    assert warnings(text) == []


def test_a_slip_in_defaults_is_told_once_for_all_routes() -> None:
    text = (
        f"{UPSTREAM}defaults: {{timeout: {{request: 1s, attempt: 2s}}}}\n"
        "routes:\n- {name: a, match: {path: /a}, upstream: app}\n- {name: b, upstream: app}\n"
    )
    assert warnings(text) == ["f:2:44: warning: an attempt may take 2s, but the whole request only 1s"]


def test_bounds_of_a_learned_limit_beside_a_number_say_nothing() -> None:
    text = route("concurrency: {max: 9, adaptive: {max: 20}}")
    column = text.splitlines()[2].index("{max: 20}") + 1
    assert warnings(text) == [f"f:3:{column}: warning: says nothing: it is about `max: adaptive`, and `max` is 9"]
    head, routes = route("concurrency: {max: 9}").split("routes:")
    given = "defaults: {concurrency: {max: adaptive, adaptive: {max: 20}}}\n"
    assert warnings(f"{head}{given}routes:{routes}") == []


def test_a_limit_cannot_be_learned_where_there_is_no_upstream() -> None:
    text = "routes:\n- {name: all, respond: {status: 200}, concurrency: {max: adaptive}}\n"
    column = text.splitlines()[1].index("adaptive") + 1
    said = "`adaptive` learns from an upstream, and this route answers by itself; write a number"
    assert warnings(text) == [f"f:2:{column}: warning: {said}"]
