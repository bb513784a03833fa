"""A route that answers by itself says nothing of upstreams, and leads away from where it is."""

from __future__ import annotations

import pytest

from sidecar.policies.catalogue import entries
from sidecar.rules.load import load_text
from sidecar.rules.overlay import Given
from sidecar.rules.problems import ConfigError
from sidecar.rules.schema import RuleSet

REDIRECT = "routes: [{name: all, redirect: {scheme: https}}]\n"


def read(text: str) -> RuleSet:
    return load_text(text, "f", Given()).rules


def said(text: str) -> list[str]:
    try:
        return [str(problem) for problem in load_text(text, "f", Given()).warnings]
    except ConfigError as error:
        return [str(problem) for problem in error.problems]


def test_no_upstream_is_needed_where_no_route_leads_to_one() -> None:
    assert read(REDIRECT).upstreams == {}
    assert said("routes: [{name: a, respond: {}}, {name: b, upstream: app}]\n") == [
        "f:1:1: error: there is no upstream; add `upstreams`, or give a backend with --upstream http://HOST:PORT",
        "f:1:54: error: there is no upstream `app`",
    ]


@pytest.mark.parametrize("end", ["redirect: {scheme: https}", "respond: {}"])
@pytest.mark.parametrize(
    "policy",
    ["circuit_breaker: {}", "rewrite: {add_prefix: /a}", "request_headers: {remove: a}", "retry: {}", "fallback: {}"],
)
def test_a_policy_about_an_upstream_is_an_error_where_there_is_none(end: str, policy: str) -> None:
    key = policy.partition(":")[0]
    before = f"routes: [{{name: all, {end}, "
    (problem,) = [one for one in said(f"{before}{policy}}}]\n") if "about an upstream" in one]
    assert problem == (
        f"f:1:{len(before) + 1}: error: `{key}` is about an upstream, and this route has a `{end.partition(':')[0]}` "
        "instead"
    )


def test_what_defaults_say_of_upstreams_is_not_meant_for_it() -> None:
    rules = "defaults: {retry: {max_attempts: 2}, fallback: {status: 200}, circuit_breaker: {}}\n" + REDIRECT
    assert said(rules) == []
    assert said(rules.replace("https}", "https}, retry: null")) == []


def test_what_admits_and_what_edits_the_answer_holds_without_an_upstream() -> None:
    alone = [entry.key for entry in entries("route") if entry.alone]
    assert alone == ["timeout", "rate_limits", "concurrency", "fault", "response_headers"]
    policies = (
        "rate_limits: [{name: a, rate: 1/s}], concurrency: {max: 1}, timeout: {request: 1s}, response_headers: {}"
    )
    assert said(f"routes: [{{name: all, respond: {{}}, {policies}}}]\n") == []


CIRCLE = "f:2:43: warning: leads back to where it came from: each listener of this route speaks http at its port"


@pytest.mark.parametrize(
    ("listener", "match", "redirect", "circles"),
    [
        ("address: ':80'", "{}", "scheme: http", True),
        ("address: ':80'", "{}", "scheme: https", False),
        ("address: ':8080'", "{}", "scheme: http", False),
        ("address: ':80', trusted_proxies: 10.0.0.0/8", "{}", "scheme: http", False),
        ("address: ':80'", "{}", "scheme: http, path: /a", False),
        ("address: ':80'", "{}", "scheme: http, port: 81", False),
        ("address: ':80'", "{}", "scheme: http, host: b.com", False),
        ("address: ':80'", "{host: b.com}", "scheme: http, host: b.com", True),
    ],
)
def test_a_redirect_that_leads_back_is_told(listener: str, match: str, redirect: str, circles: bool) -> None:
    text = f"listeners: [{{{listener}}}]\nroutes: [{{name: all, redirect: {{{redirect}}}, match: {match}}}]\n"
    assert said(text) == ([CIRCLE.replace("43", str(text.splitlines()[1].index("http") + 1))] if circles else [])
