"""Which route a request takes, in tables from one route to ten thousand."""

import random
from collections.abc import Callable

from benchmarks.micro import Calls
from sidecar.model.observer import RouteObserver, UpstreamObserver
from sidecar.policies.selection import RoundRobin
from sidecar.rules.forms import PathPattern
from sidecar.rules.schema import MatchRule
from sidecar.runtime.matching import Matcher
from sidecar.runtime.route import Branch, Route
from sidecar.runtime.routing import Router
from sidecar.runtime.upstream import Upstream
from sidecar.wire.head import parse_request
from sidecar.wire.message import HeadLimits, RequestHead

_PREFIX = "/api/v1/service"


def _head(path: str, host: str = "api.example.com") -> RequestHead:
    text = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: wrk\r\nAccept: */*\r\nX-Tenant: 9\r\n\r\n"
    head = parse_request(text.encode(), HeadLimits())
    if head is None:
        raise AssertionError("the head is complete")
    return head


def _router(rules: list[MatchRule]) -> Router:
    upstream = Upstream("app", (), RoundRobin(), random.Random(1), UpstreamObserver())
    branch, observer = Branch(upstream), RouteObserver()
    return Router([Route(f"r{index}", (branch,), Matcher(rule), observer, index) for index, rule in enumerate(rules)])


def _asked(router: Router, head: RequestHead, expected: Route | None) -> Calls:
    def calls(count: int) -> None:
        for _ in range(count):
            if router.match(head) is not expected:
                raise AssertionError("another route than the one that is measured")

    return calls


def _paths(count: int) -> Router:
    return _router([MatchRule(path=PathPattern.parse(f"{_PREFIX}-{number}")) for number in range(count)])


def first(count: int) -> Callable[[], Calls]:
    """The first of so many prefixes takes it."""

    def prepare() -> Calls:
        router = _paths(count)
        return _asked(router, _head(f"{_PREFIX}-0/users/7"), router.routes[0])

    return prepare


def last(count: int) -> Callable[[], Calls]:
    """The last of so many prefixes takes it."""

    def prepare() -> Calls:
        router = _paths(count)
        return _asked(router, _head(f"{_PREFIX}-{count - 1}/users/7"), router.routes[-1])

    return prepare


def none(count: int) -> Callable[[], Calls]:
    """None of so many prefixes takes it."""

    def prepare() -> Calls:
        return _asked(_paths(count), _head(f"{_PREFIX}-x/users/7"), None)

    return prepare


def anything() -> Calls:
    """The only route has no condition."""
    router = _router([MatchRule()])
    return _asked(router, _head("/a"), router.routes[0])


def mixed() -> Calls:
    """Ten thousand routes of a thousand hosts, with templates and methods, and one for all hosts below at the end."""
    kinds = ("/users/{id}/orders", "/users", "=/login", "/static", "/users/{id}/carts/{cart}")
    rules = [
        MatchRule(
            host=f"tenant-{number % 1000}.example.com",
            path=PathPattern.parse(kinds[number // 1000 % 5]),
            methods=("GET", "HEAD") if number < 5000 else ("POST",),
        )
        for number in range(9999)
    ]
    rules.append(MatchRule(host="*.example.com"))
    router = _router(rules)
    return _asked(router, _head("/users/7/carts/3", "Tenant-7.example.com:8443"), router.routes[1007])


def tenants() -> Calls:
    """The last of ten thousand routes that share one path and differ in a header."""
    router = _router([MatchRule(headers={"x-tenant": str(number)}) for number in reversed(range(10_000))])
    return _asked(router, _head("/a"), router.routes[-10])
