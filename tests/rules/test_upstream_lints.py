"""Policies that an upstream has no use for, and waits that pass every deadline, are warned about."""

from __future__ import annotations

import pytest

from sidecar.rules.load import load_text
from sidecar.rules.overlay import Given

ONE = "endpoints: 'http://127.0.0.1:1'"
TWO = "endpoints: ['http://127.0.0.1:1', 'http://[::1]:1']"
NAME = "endpoints: 'http://app.internal:1'"
EJECTS = "nothing is ever ejected"


def warnings(upstream: str, *timeouts: str) -> list[str]:
    routes = [
        f"- {{name: r{index}, match: {{path: /{index}}}, upstream: app, timeout: {timeout}}}\n"
        for index, timeout in enumerate(timeouts or ("{}",))
    ]
    text = f"upstreams: {{app: {{{upstream}}}}}\nroutes:\n" + "".join(routes)
    return [str(problem) for problem in load_text(text, "f", Given()).warnings]


@pytest.mark.parametrize(
    ("upstream", "sentence"),
    [
        (
            f"{ONE}, ejection: @{{}}",
            f"{EJECTS}: there is one endpoint, and the last is never taken out; with one the circuit breaker decides",
        ),
        (f"{TWO}, ejection: {{max_ejected_ratio: @0.4}}", f"{EJECTS}: 0.4 of 2 endpoints is less than one"),
        (
            "endpoints: unix:/run/app.sock, ejection: @{}",
            f"{EJECTS}: there is one endpoint, and the last is never taken out; with one the circuit breaker decides",
        ),
        (f"{ONE}, slow_start: @10s", "a share that grows does nothing: there is one endpoint, and it takes everything"),
        (f"{ONE}, hold: {{timeout: @16s}}", "a request may be held 16s, but has at most 15s in all"),
        (f"{ONE}, connect_timeout: @16s", "a connection may take 16s, but an attempt ends after 15s"),
    ],
)
def test_what_an_upstream_has_no_use_for_is_warned_about(upstream: str, sentence: str) -> None:
    column = len("upstreams: {app: {") + upstream.index("@") + 1
    assert warnings(upstream.replace("@", "")) == [f"f:1:{column}: warning: {sentence}"]


@pytest.mark.parametrize(
    "upstream",
    [
        f"{TWO}, ejection: {{}}, slow_start: 10s",
        f"{NAME}, ejection: {{max_ejected_ratio: 0.1}}, slow_start: 10s",
        f"{ONE}, slow_start: 0s",
        f"{ONE}, hold: {{timeout: 15s}}, connect_timeout: 15s",
    ],
)
def test_what_makes_sense_is_left_alone(upstream: str) -> None:
    assert warnings(upstream) == []


def test_a_ratio_counts_as_it_is_written_and_not_as_binary_has_it() -> None:
    many = ", ".join([f"'http://127.0.0.1:{port}'" for port in range(1, 101)])
    assert warnings(f"endpoints: [{many}], ejection: {{max_ejected_ratio: 0.01}}") == []


def test_the_most_patient_route_decides_what_is_too_long() -> None:
    held = f"{ONE}, hold: {{timeout: 20s}}, connect_timeout: 20s"
    assert len(warnings(held, "{request: 1s}", "{request: 19s}")) == 2
    assert warnings(held, "{request: 1s}", "{request: 20s}") == []
    assert warnings(held, "{request: 1s}", "null") == []


def test_an_upstream_without_routes_is_compared_with_nothing() -> None:
    assert warnings(f"{ONE}}}, b: {{endpoints: 'http://b:1', hold: {{timeout: 1h}}, connect_timeout: 1h") == []


@pytest.mark.parametrize(
    ("endpoint", "tls", "said"),
    [
        ("https://a:1", "", ""),
        ("https://a:1", ", tls: {server_name: b}", ""),
        ("https://a:1", ", tls: {verify: false}", "f:1:59: warning: anybody on the way can pose as the endpoint"),
        ("http://a:1", ", tls: {verify: true}", "f:1:49: warning: `tls` does nothing: no endpoint is https"),
    ],
)
def test_tls_that_protects_nobody_is_told_where_it_stands(endpoint: str, tls: str, said: str) -> None:
    text = f"upstreams: {{app: {{endpoints: '{endpoint}'{tls}}}}}\nroutes: [{{name: all, upstream: app}}]\n"
    told = [str(problem) for problem in load_text(text, "f", Given()).warnings]
    assert [line.startswith(said) for line in told] == ([True] if said else [])
