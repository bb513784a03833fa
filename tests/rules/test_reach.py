"""A route that no request can ever take is warned about."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.rules.forms import PathPattern
from sidecar.rules.load import load_text
from sidecar.rules.overlay import Given
from sidecar.rules.reach import Earlier, _covers
from sidecar.rules.schema import MatchRule, RouteRule

UPSTREAM = "upstreams: {app: {endpoints: 'http://a:1'}}\n"
LISTENERS = "listeners: [{name: one, address: ':1'}, {name: two, address: ':2'}]\n"


def warnings(*matches: str) -> list[str]:
    routes = [f"- {{name: r{index}, match: {match}, upstream: app}}\n" for index, match in enumerate(matches, 1)]
    listening = LISTENERS if "listener" in "".join(matches) else ""
    return [
        str(problem)
        for problem in load_text(UPSTREAM + "routes:\n" + "".join(routes) + listening, "f", Given()).warnings
    ]


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
        ("{listener: one}", "{}", False),
        ("{listener: one}", "{listener: two}", False),
        ("{listener: one}", "{listener: [one, two]}", False),
        ("{listener: one}", "{listener: one, path: /a}", True),
        ("{listener: [one, two]}", "{listener: two}", True),
        ("{path: /}", "{listener: two}", True),
    ],
)
def test_a_route_that_an_earlier_one_covers_is_never_reached(earlier: str, later: str, covered: bool) -> None:
    expected = ["f:4:10: warning: the route `r2` is never reached: `r1` above takes all its requests"]
    assert [said for said in warnings(earlier, later) if "never reached" in said] == (expected if covered else [])


def test_a_listener_that_no_route_asks_for_is_told() -> None:
    assert warnings("{listener: one}", "{listener: [one], path: /a}")[1:] == [
        "f:5:48: warning: no route takes what comes in at the listener `two`: every request there gets a 404"
    ]
    assert warnings("{listener: one}", "{listener: [one, two]}") == []


def test_several_routes_above_may_share_all_its_methods() -> None:
    said = warnings("{methods: GET}", "{methods: [POST, PUT]}", "{path: /a, methods: [GET, PUT]}")
    assert said == ["f:5:10: warning: the route `r3` is never reached: `r1` and `r2` above take all its requests"]
    assert warnings("{methods: GET}", "{methods: PUT}", "{methods: [GET, POST]}") == []
    assert warnings("{methods: GET}", "{methods: POST}", "{}") == []


@pytest.mark.parametrize(
    ("match", "why"),
    [
        ("{headers: {@Connection: close}}", "rules do not see `connection`, which speaks of one hop only"),
        ("{headers: {@te: trailers}}", "rules do not see `te`, which speaks of one hop only"),
        ("{host: a.com, headers: {@host: b.com}}", "no `host` is both b.com and a.com"),
        ("{host: '*.a.com', headers: {@host: a.com}}", "no `host` is both a.com and *.a.com"),
        ("{methods: @CONNECT}", "CONNECT is refused before any rule is asked"),
    ],
)
def test_a_route_that_asks_for_what_is_never_there_is_never_reached(match: str, why: str) -> None:
    column = len("- {name: r1, match: ") + match.index("@") + 1
    assert warnings(match.replace("@", "")) == [f"f:3:{column}: warning: the route `r1` is never reached: {why}"]


@pytest.mark.parametrize(
    "match",
    [
        "{headers: {upgrade: websocket, x-request-id: a}}",
        "{host: a.com, headers: {host: 'A.com:8080'}}",
        "{host: '*.a.com', headers: {host: b.a.com}}",
        "{headers: {host: a.com}}",
        "{methods: [CONNECT, GET]}",
    ],
)
def test_a_route_that_can_be_reached_is_left_alone(match: str) -> None:
    assert warnings(match) == []


PATHS = ("/", "/a", "/a/b", "=/a", "=/a/", "=/a/b", "/a/{x}", "/{x}/b", "/{x}/{y}", "/a//b", "=/", "/{z}", "/a/b/{x}")
matches = st.builds(
    MatchRule,
    listener=st.sampled_from([(), ("one",), ("one", "two")]),
    host=st.sampled_from([None, "a.org", "b.a.org", "*.a.org", "*.b.a.org", "*.org", "org"]),
    path=st.sampled_from(PATHS).map(PathPattern.parse),
    methods=st.sampled_from([(), ("GET",), ("GET", "PUT")]),
    headers=st.dictionaries(st.sampled_from(["x-a", "x-b"]), st.sampled_from(["1", "2"])),
)


@given(st.lists(matches, max_size=40), matches)
def test_no_route_that_covers_another_is_overlooked(above: list[MatchRule], below: MatchRule) -> None:
    earlier = Earlier()
    routes = [
        RouteRule(name=f"r{number}", match=match, upstream="app", policies={}) for number, match in enumerate(above)
    ]
    for route in routes:
        earlier.add(route)
    near = earlier.near(below)
    assert [route for route in near if _covers(route.match, below)] == [
        route for route in routes if _covers(route.match, below)
    ]


def test_a_route_is_compared_with_those_that_may_cover_it_only() -> None:
    earlier = Earlier()
    for number in range(500):
        for text in (f"/a/{number}", f"=/b/{number}", f"/c/{number}/{{x}}"):
            match = MatchRule(path=PathPattern.parse(text))
            earlier.add(RouteRule(name=f"r{text}", match=match, upstream="app", policies={}))
    near = earlier.near(MatchRule(path=PathPattern.parse("=/c/7/x")))
    assert [route.name for route in near] == ["r/c/7/{x}"]
