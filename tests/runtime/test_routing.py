"""The router finds the first route whose conditions hold, and says why it was not an earlier one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sidecar.rules.schema import MatchRule
from sidecar.runtime.routing import Router
from tests.runtime.requests import Request, match_rule, route

PATHS = ("/", "/a", "/a/b", "=/a", "=/", "/a/{x}", "/{x}/b")
HOSTS = (None, "a.org", "*.a.org")
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
    for path in (b"/public/../admin", b"//admin", b"/%2e/admin", b"/x%2f..%2fadmin", b"/%61dmin/", b"/admin;x"):
        request = Request(path)
        found = router.match(request)
        assert found is not None
        assert found.name == "admin", path
        assert request.path == path, "what is forwarded stays as it came"


def test_an_explanation_ends_with_the_route_that_matches() -> None:
    router = Router([route("a", match_rule("/a")), route("b", match_rule("/b")), route("c", match_rule())])
    told = [(one.name, matched, why) for one, matched, why in router.explain(Request(b"/b"))]
    assert told == [("a", False, "path /b is not /a"), ("b", True, "every condition holds")]
    assert router.explain(Request(b"/c"))[-1][2] == "it has no condition"
