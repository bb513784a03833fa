"""The router finds the first route whose conditions hold, and says why it was not an earlier one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.rules.schema import MatchRule
from sidecar.runtime.matching import matching_host
from sidecar.runtime.paths import climbs, matching_path
from sidecar.runtime.route import Route
from sidecar.runtime.routing import AMBIGUOUS, Index, Router
from tests.runtime.requests import Request, match_rule, route

PATHS = ("/", "/a", "/a/b", "=/a", "=/", "/a/{x}", "/{x}/b")
# Beside the plain ones: what normalising changes, and templates that overlap with all the rest.
ODD_PATHS = (
    "=/a/",
    "=/a/b",
    "/a%2fb",
    "/a/..",
    "/%2561",
    "/a/b/c/d",
    "=/a/%2e%2e",
    "/{x}/..",
    "/a/{x}/{y}",
    "/{x}/{y}/c",
)
HOSTS = (None, "a.org", "*.a.org")
ODD_HOSTS = ("*.org", "x.a.org", "*.x.a.org", "b.org", "[::1]")
METHODS: tuple[tuple[str, ...], ...] = ((), ("GET",), ("POST", "PUT"))
HEADERS: tuple[dict[str, str], ...] = ({}, {"x-t": "1"}, {"x-t": "1", "x-u": "2"})

rules = st.builds(
    match_rule, st.sampled_from(PATHS), st.sampled_from(HOSTS), st.sampled_from(METHODS), st.sampled_from(HEADERS)
)
pieces = st.sampled_from(["a", "b", "ab", "c"])
requests = st.builds(
    Request,
    st.lists(pieces, max_size=3).map(lambda parts: b"/" + "/".join(parts).encode()),
    st.sampled_from([b"GET", b"POST", b"DELETE"]),
    st.sampled_from([b"", b"a.org", b"A.ORG:80", b"x.a.org", b"x.y.a.org.", b"b.org"]),
    st.dictionaries(st.sampled_from([b"x-t", b"x-u"]), st.sampled_from([b"1", b"2"])),
)


def naively(rule: MatchRule, request: Request) -> bool:
    """The conditions as the docs tell them, without any thought of speed; for paths in their normal form."""
    path = request.path.decode()
    parts = [part for part in path.split("/") if part]
    wanted = [part for part in rule.path.text.split("/") if part]
    if rule.path.kind == "exact":
        fits = path == rule.path.text
    elif rule.path.kind == "prefix":
        fits = parts[: len(wanted)] == wanted
    else:
        fits = len(parts) == len(wanted) and all(
            pattern.startswith("{") or pattern == part for pattern, part in zip(wanted, parts, strict=True)
        )
    host = request.authority.decode().lower().split(":")[0].rstrip(".")
    if rule.host is not None:
        labels, of_rule = host.split("."), rule.host.split(".")
        if of_rule[0] == "*":
            fits = fits and len(labels) >= len(of_rule) and labels[1 - len(of_rule) :] == of_rule[1:]
        else:
            fits = fits and labels == of_rule
    if rule.methods:
        fits = fits and request.method.decode() in rule.methods
    return fits and all(request.header(name.encode()) == value.encode() for name, value in rule.headers.items())


@given(st.lists(rules, max_size=6), requests)
def test_the_router_agrees_with_a_naive_one(table: list[MatchRule], request: Request) -> None:
    router = Router([route(str(index), rule) for index, rule in enumerate(table)])
    expected = next((index for index, rule in enumerate(table) if naively(rule, request)), None)
    found = router.match(request)
    assert (None if found is None else int(found.name)) == expected
    told = router.explain(request)
    assert [one.name for one, _, _ in told] == [str(i) for i in range(len(table) if expected is None else expected + 1)]
    assert [matched for _, matched, _ in told] == [one is found for one, _, _ in told]


odd_rules = st.builds(
    match_rule,
    st.sampled_from(PATHS + ODD_PATHS),
    st.sampled_from(HOSTS + ODD_HOSTS),
    st.sampled_from(METHODS),
    st.sampled_from(HEADERS),
)
odd_pieces = st.sampled_from(["a", "b", "c", "%61", "%2e%2e", "..", ".", "", "b;v=1", "a%2fb", "%2561", "a\\b", "d"])
odd_requests = st.builds(
    Request,
    st.one_of(
        st.lists(odd_pieces, max_size=6).map(lambda parts: b"/" + "/".join(parts).encode()),
        st.sampled_from([b"*", b"", b"a.org:443", b"a/b", b"/a/b/c/d/", b"/a/b/c"]),
    ),
    st.sampled_from([b"GET", b"POST", b"DELETE", b"get"]),
    st.sampled_from(
        [b"", b".", b"a.org", b"A.ORG:80", b"x.a.org", b"x.y.a.org.", b"y.x.a.org", b".a.org", b"..a.org", b"[::1]:80"]
    ),
    st.dictionaries(st.sampled_from([b"x-t", b"x-u"]), st.sampled_from([b"1", b"2"])),
)


def one_by_one(routes: list[Route], request: Request) -> Route | None:
    """The search that defines what the index has to find."""
    path, host = matching_path(request.path), matching_host(request.authority)
    return next((each for each in routes if each.matcher.matches(request, path, host)), None)


@given(st.lists(odd_rules, max_size=40), st.lists(odd_requests, min_size=1, max_size=5))
def test_the_index_finds_what_looking_at_each_route_finds(table: list[MatchRule], several: list[Request]) -> None:
    routes = [route(str(index), rule) for index, rule in enumerate(table)]
    router, index = Router(routes), Index(routes)
    for request in several:
        expected = one_by_one(routes, request)
        path, host = matching_path(request.path), matching_host(request.authority)
        assert index.first(request, path, host) is expected
        if router.is_ambiguous(request):
            assert climbs(request.path)
            expected = None
        assert router.match(request) is expected
        assert [one for one, matched, _ in router.explain(request) if matched] == ([expected] if expected else [])


crowded_headers = st.dictionaries(
    st.sampled_from(["x-t", "x-u", "x-env"]), st.sampled_from(["1", "2", "3", "4"]), max_size=3
)
crowded_methods = st.lists(st.sampled_from(["GET", "PUT", "POST", "PURGE"]), max_size=2, unique=True).map(tuple)
crowds = st.lists(st.builds(match_rule, st.just("/a"), st.none(), crowded_methods, crowded_headers), max_size=60)


@given(
    crowds,
    st.sampled_from([b"GET", b"PUT", b"PURGE", b"HEAD"]),
    st.dictionaries(st.sampled_from([b"x-t", b"x-u", b"x-env"]), st.sampled_from([b"1", b"2", b"3", b"9"])),
)
def test_a_crowd_of_routes_for_one_path_keeps_its_order(
    table: list[MatchRule], method: bytes, headers: dict[bytes, bytes]
) -> None:
    routes = [route(str(index), rule) for index, rule in enumerate(table)]
    request = Request(b"/a/x", method, headers=headers)
    assert Index(routes).first(request, b"/a/x", b"") is one_by_one(routes, request)


class Counting(Request):
    """Counts how often one of its fields is looked at."""

    asked = 0

    def header(self, name: bytes) -> bytes | None:
        self.asked += 1
        return super().header(name)


def test_hundreds_of_tenants_on_one_path_are_told_apart_by_one_look_at_the_request() -> None:
    routes = [
        route(str(number), match_rule("/a", headers={"x-env": "live", "x-tenant": str(number)}))
        for number in range(500)
    ]
    request = Counting(b"/a", headers={b"x-env": b"live", b"x-tenant": b"499"})
    assert Router(routes).match(request) is routes[-1]
    assert request.asked == 3, "once to look the tenant up, once for each header of the one route that is left"


def test_a_route_behind_many_is_found_without_looking_at_their_conditions() -> None:
    others = [route(str(number), match_rule(f"/tenants/{number}", headers={"x-a": "1"})) for number in range(500)]
    last = route("last", match_rule("/tenants/{any}/orders", headers={"x-a": "1"}))
    request = Counting(b"/tenants/7/orders", headers={b"x-a": b"1"})
    assert Router([*others, last]).match(request) is others[7]
    assert request.asked == 1
    request = Counting(b"/tenants/none/orders", headers={b"x-a": b"1"})
    assert Router([*others, last]).match(request) is last
    assert request.asked == 1


@pytest.mark.parametrize("depth", [1, 3000])
def test_a_path_of_nothing_but_segments_is_matched(depth: int) -> None:
    long = "/x" * depth
    routes = [
        route(text, match_rule(text)) for text in (*(f"/{place}" for place in range(20)), long, f"{long}/{{y}}/z")
    ]
    assert Router(routes).match(Request(long.encode() + b"/x" * 5000)) is routes[20]
    assert Router(routes).match(Request(b"/" + b"/x" * (depth - 1))) is None


def test_a_path_of_nothing_but_variables_is_matched_and_forgotten() -> None:
    deep = "".join([f"/{{v{place}}}" for place in range(4_000)])
    index = Index([route("deep", match_rule(deep))])
    request = Request(b"/x" * 4_000)
    found = index.first(request, request.path, b"")
    assert found is not None
    assert found.name == "deep"
    del index  # must not end the process: nodes hold each other as deep as the path goes


def test_templates_that_branch_at_every_segment_cost_no_more_than_their_number() -> None:
    patterns = [
        "/" + "/".join(("a", f"{{v{place}}}")[number >> place & 1] for place in range(9)) for number in range(512)
    ]
    routes = [route(text, match_rule(text, headers={"x-a": text})) for text in patterns]
    request = Counting(b"/a" * 9)
    assert Router(routes).match(request) is None
    assert request.asked <= len(routes)


def test_the_first_match_wins() -> None:
    router = Router([route("login", match_rule("/login")), route("all", match_rule()), route("late", match_rule("/a"))])
    found = router.match(Request(b"/login/now"))
    assert found is not None
    assert found.name == "login"
    other = router.match(Request(b"/a"))
    assert other is not None
    assert other.name == "all"


def test_a_table_without_routes_matches_nothing() -> None:
    assert Router([]).match(Request()) is None
    assert Router([]).explain(Request()) == []


def test_a_route_for_everything_looks_at_nothing() -> None:
    only = route("all", match_rule())
    nothing: Request = object.__new__(Request)  # without any attribute: touching one would raise
    assert Router([only]).match(nothing) is only


def test_no_disguise_dodges_the_route_of_a_path() -> None:
    router = Router([route("admin", match_rule("/admin")), route("all", match_rule())])
    for path in (b"/admin/x/..", b"//admin", b"/%2e/admin", b"/admin%2fx", b"/%61dmin/", b"/admin;x"):
        request = Request(path)
        found = router.match(request)
        assert found is not None
        assert found.name == "admin", path
        assert request.path == path, "what is forwarded stays as it came"


@pytest.mark.parametrize(
    "path",
    [
        b"/public/../admin", b"/admin/../public", b"/admin/..", b"/x%2f..%2fadmin", b"/admin/..%2fpublic",
        b"/admin/%2e%2e/public", b"/admin/.%2E/public", b"/admin/..;/public", b"/admin\\..\\public",
        b"/public/../admin/..%2fpublic", b"/public//../admin", b"/public\\x/../admin", b"/admin/..%3b/public",
    ],
)  # fmt: skip
def test_a_path_that_backends_could_read_as_another_routes_leads_nowhere(path: bytes) -> None:
    router = Router(
        [route("admin", match_rule("/admin")), route("public", match_rule("/public")), route("all", match_rule())]
    )
    assert router.match(Request(path)) is None
    assert router.is_ambiguous(Request(path))
    assert [(matched, why) for _, matched, why in router.explain(Request(path))][-1] == (False, AMBIGUOUS)


def test_a_path_that_climbs_within_a_route_is_that_routes_and_where_no_rule_looks_at_paths_nobody_cares() -> None:
    router = Router([route("admin", match_rule("/admin")), route("all", match_rule())])
    for path, name in (
        (b"/admin/a/../b", "admin"),
        (b"/~/a/../b/./c", "all"),
        (b"/a..b/..c", "all"),
        (b"/../x", "all"),
    ):
        found = router.match(Request(path))
        assert found is not None
        assert found.name == name, path
    every = route("all", match_rule(methods=("GET",)))
    assert Router([every]).match(Request(b"/x/..%2fy")) is every
    assert not Router([every]).is_ambiguous(Request(b"/x/..%2fy"))
    assert not Router([route("all", match_rule())]).is_ambiguous(Request(b"/x/..%2fy"))


def test_an_explanation_ends_with_the_route_that_matches() -> None:
    router = Router([route("a", match_rule("/a")), route("b", match_rule("/b")), route("c", match_rule())])
    told = [(one.name, matched, why) for one, matched, why in router.explain(Request(b"/b"))]
    assert told == [("a", False, "path /b is not /a"), ("b", True, "every condition holds")]
    assert router.explain(Request(b"/c"))[-1][2] == "it has no condition"
