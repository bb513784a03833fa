"""Each condition of a route, and what it must not be fooled by."""

from __future__ import annotations

import pytest

from sidecar.rules.schema import MatchRule
from sidecar.runtime.matching import Matcher, matching_host
from sidecar.runtime.paths import matching_path
from tests.runtime.requests import Request, match_rule


def fits(rule: MatchRule, request: Request) -> bool:
    """Both forms of the verdict, which have to agree."""
    matcher = Matcher(rule)
    path, host = matching_path(request.path), matching_host(request.authority)
    verdict = matcher.matches(request, path, host)
    assert (matcher.refusal(request, path, host) is None) is verdict
    return verdict


def test_a_rule_without_conditions_always_matches() -> None:
    assert Matcher(MatchRule()).always
    assert fits(MatchRule(), Request(b"*", b"OPTIONS"))


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("/login", b"/login", True),
        ("/login", b"/login/", True),
        ("/login", b"/login/now", True),
        ("/login", b"/loginx", False),
        ("/login", b"/", False),
        ("/login", b"/Login", False),
        ("/login/", b"/login", True),
        ("/login", b"/x/../login", True),
        ("/login", b"/login/../public", False),
        ("/login", b"*", False),
        ("=/login", b"/login", True),
        ("=/login", b"/login/", False),
        ("=/login", b"/login/now", False),
        ("=/", b"/", True),
        ("=/", b"/a", False),
        ("/users/{id}", b"/users/7", True),
        ("/users/{id}", b"/users/7/", True),
        ("/users/{id}", b"/users//7", True),
        ("/users/{id}", b"/users/", False),
        ("/users/{id}", b"/users", False),
        ("/users/{id}", b"/users/7/orders", False),
        ("/users/{id}/orders", b"/users/7/orders", True),
        ("/users/{id}/orders", b"/users/7/carts", False),
        ("/{any}", b"*", False),
        ("/a%20b", b"/a%20b", True),
        ("/a%20b", b"/a%20b/c", True),
    ],
)
def test_a_path_is_compared_by_whole_segments(pattern: str, path: bytes, expected: bool) -> None:
    assert fits(match_rule(pattern), Request(path)) is expected


@pytest.mark.parametrize(
    ("host", "authority", "expected"),
    [
        ("api.example.com", b"api.example.com", True),
        ("api.example.com", b"API.Example.COM:8443", True),
        ("api.example.com", b"api.example.com.", True),
        ("api.example.com", b"api.example.com.:80", True),
        ("api.example.com", b"xapi.example.com", False),
        ("api.example.com", b"", False),
        ("*.example.com", b"api.example.com", True),
        ("*.example.com", b"a.b.example.com:80", True),
        ("*.example.com", b"example.com", False),
        ("*.example.com", b".example.com", False),
        ("*.example.com", b"badexample.com", False),
        ("*.example.com", b"example.com.evil.org", False),
        ("[::1]", b"[::1]:8080", True),
        ("[::1]", b"[0:0::1]", True),
        ("[::1]", b"[::2]:8080", False),
        ("[::1]", b"[nonsense", False),
    ],
)
def test_a_host_has_no_case_and_no_port(host: str, authority: bytes, expected: bool) -> None:
    assert fits(match_rule(host=host), Request(authority=authority)) is expected


def test_any_of_the_methods_will_do_and_methods_have_case() -> None:
    rule = match_rule(methods=("GET", "POST"))
    assert fits(rule, Request(method=b"POST"))
    assert not fits(rule, Request(method=b"PUT"))
    assert not fits(rule, Request(method=b"post"))


def test_all_of_the_headers_must_have_exactly_their_values() -> None:
    rule = match_rule(headers={"x-tenant": "gold", "x-zone": "a"})
    assert fits(rule, Request(headers={b"x-tenant": b"gold", b"x-zone": b"a"}))
    assert not fits(rule, Request(headers={b"x-tenant": b"gold"}))
    assert not fits(rule, Request(headers={b"x-tenant": b"Gold", b"x-zone": b"a"}))
    assert not fits(rule, Request(headers={b"x-tenant": b"gold, gold", b"x-zone": b"a"}))


def test_a_template_tells_where_its_variables_stand() -> None:
    assert Matcher(match_rule("/users/{id}/orders/{order}")).variables == {"id": 1, "order": 3}
    assert Matcher(match_rule("/users")).variables == {}


@pytest.mark.parametrize(
    ("rule", "request_", "why"),
    [
        (match_rule("/a"), Request(b"/b\xff"), r"path /b\xff is not /a"),
        (match_rule("=/a"), Request(b"/b"), "path /b is not =/a"),
        (match_rule(methods=("PUT", "POST")), Request(), "method GET is not PUT or POST"),
        (match_rule(host="a.org"), Request(), "host (none) is not a.org"),
        (match_rule(headers={"x-a": "1"}), Request(), "header x-a is absent, not `1`"),
        (match_rule(headers={"x-a": "1"}), Request(headers={b"x-a": b"2"}), "header x-a is `2`, not `1`"),
    ],
)
def test_a_refusal_says_which_condition_failed(rule: MatchRule, request_: Request, why: str) -> None:
    matcher = Matcher(rule)
    assert matcher.refusal(request_, request_.path, matching_host(request_.authority)) == why
