"""A route leads somewhere, in one way only."""

import pytest

from sidecar.policies.units import Invalid
from sidecar.rules.load import load_text
from sidecar.rules.overlay import Given
from sidecar.rules.problems import ConfigError
from sidecar.rules.route_rule import RouteRule, SplitRule

SHARES = (SplitRule(upstream="a", weight=1), SplitRule(upstream="b", weight=2))


def test_a_route_leads_to_its_upstream_or_to_those_of_its_split() -> None:
    assert RouteRule(name="r", upstream="a", policies={}).upstreams == ("a",)
    assert RouteRule(name="r", split=SHARES, policies={}).upstreams == ("a", "b")


def test_a_route_without_a_destination_or_with_two_is_refused() -> None:
    with pytest.raises(Invalid, match="`upstream` is missing"):
        RouteRule(name="r", policies={})
    with pytest.raises(Invalid, match="exclude each other"):
        RouteRule(name="r", upstream="a", split=SHARES, policies={})


@pytest.mark.parametrize(
    ("route", "said"),
    [
        ("redirect: {scheme: https}", ""),
        ("respond: {status: 404}", ""),
        ("respond: {}", ""),
        ("upstream: app, redirect: @{scheme: https}", "`redirect` and `upstream` exclude each other"),
        ("respond: @{}, redirect: {scheme: https}", "`respond` and `redirect` exclude each other"),
        ("redirect: @{status: 308}", "`scheme` is missing: the redirect leads back to itself; give a"),
        ("redirect: {host: @'a:80'}", "`host` has a port; write it as `port`"),
        ("redirect: {host: @'a/b'}", "`host` is not the name of a host; write shop.example.com or"),
        ("redirect: {port: @65536}", "`port` must be from 1 to 65535"),
        ("redirect: {path: @'a b'}", "`path` must begin with / and hold no `#`, space or character"),
        ("redirect: {scheme: https, status: @304}", "`304` is not one of 301, 302, 303, 307, 308"),
        ("redirect: {scheme: https, @to: /}", "unknown key `to`"),
        ("respond: {status: 204, body: @x}", "`body` cannot be sent with this status"),
        ("respond: {headers: @{content-length: 1}}", "`headers` may not set content-length; the"),
    ],
)
def test_a_mistake_in_what_a_route_answers_by_itself_is_told_once_at_its_place(route: str, said: str) -> None:
    before = "routes: [{name: all, "
    text = f"upstreams: {{app: {{endpoints: 'http://a:1'}}}}\n{before}{route.replace('@', '')}}}]\n"
    problems: list[str] = []
    try:
        load_text(text, "f", Given())
    except ConfigError as error:
        problems = [str(problem) for problem in error.problems]
    if said:
        (problem,) = problems
        assert problem.startswith(f"f:2:{len(before) + route.index('@') + 1}: error: {said}")
    else:
        assert problems == []
