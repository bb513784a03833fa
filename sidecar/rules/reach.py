"""Routes that no request ever takes: an earlier one takes all of theirs, or what they ask for is never there. And
listeners that no route asks for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from sidecar.rules.places import Places
from sidecar.rules.problems import Problem
from sidecar.rules.schema import MatchRule, RouteRule, RuleSet

# Cut from a request before any rule sees it: they are of one connection only (RFC 9110 7.6.1, 11.7), or the sidecar's
# own. Upgrade is one of them, and can be matched all the same.
_NEVER_SEEN = frozenset(
    {
        "connection",
        "http2-settings",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authentication-info",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "transfer-encoding",
        "x-forwarded-client-cert",
        "x-sidecar-attempt",
    }
)


class Earlier:
    """The routes so far, by what one must share with another to cover it: host, path and one header.

    Looking at each of ten thousand for each of ten thousand takes minutes, at start-up and at every reload.
    """

    __slots__ = ("_count", "_kept", "_templates")

    def __init__(self) -> None:
        self._kept: dict[tuple[str | None, str, tuple[str, str] | None], list[tuple[int, RouteRule]]] = {}
        self._templates: dict[int, set[tuple[int, ...]]] = {}
        self._count = 0

    def add(self, route: RouteRule) -> None:
        """Add the next in the order of the rules."""
        match = route.match
        path = str(match.path)
        if match.path.kind == "template":
            parts = path.split("/")
            variables = tuple([place for place, part in enumerate(parts) if part.startswith("{")])
            self._templates.setdefault(len(parts), set()).add(variables)
            path = _skeleton(parts, variables)
        header = next(iter(match.headers.items()), None)
        self._kept.setdefault((match.host, path, header), []).append((self._count, route))
        self._count += 1

    def near(self, match: MatchRule) -> list[RouteRule]:
        """Those that may cover it, in order; every one that does is among them."""
        paths = self._paths(match)
        headers = (None, *match.headers.items())
        found = [
            each
            for host in _hosts(match.host)
            for path in paths
            for header in headers
            for each in self._kept.get((host, path, header), ())
        ]
        found.sort(key=_place)
        return [route for _, route in found]

    def _paths(self, match: MatchRule) -> set[str]:
        text = match.path.text
        parts = text.split("/")
        paths = {"/", text, str(match.path)}
        paths.update(["/".join(parts[:end]) for end in range(2, len(parts))])
        if match.path.kind != "prefix":
            paths.update([_skeleton(parts, variables) for variables in self._templates.get(len(parts), ())])
        return paths


def _place(kept: tuple[int, RouteRule]) -> int:
    return kept[0]


def _skeleton(parts: Iterable[str], variables: tuple[int, ...]) -> str:
    return "/".join(["{}" if place in variables else part for place, part in enumerate(parts)])


def _hosts(host: str | None) -> tuple[str | None, ...]:
    if host is None:
        return (None,)
    labels = host.removeprefix("*.").split(".")
    above = [f"*.{'.'.join(labels[place:])}" for place in range(1, len(labels))]
    return (None, host, *above)


def unreachable(route: RouteRule, earlier: Earlier, known: Places) -> Iterator[Problem]:
    """At most one warning: what matches nothing is not also shadowed."""
    here = ("routes", route.name)
    for name, value in route.match.headers.items():
        if name in _NEVER_SEEN:
            message = (
                f"the route `{route.name}` is never reached: rules do not see `{name}`, which speaks of one hop only"
            )
            yield known.at(*here, "match", "headers", name).warning(message)
            return
        if name == "host" and not _covers_host(route.match.host, value.lower().partition(":")[0]):
            message = f"the route `{route.name}` is never reached: no `host` is both {value} and {route.match.host}"
            yield known.at(*here, "match", "headers", name).warning(message)
            return
    if route.match.methods and set(route.match.methods) == {"CONNECT"}:
        # RFC 9110 9.3.6: CONNECT asks a proxy that the client chose for a tunnel; a reverse proxy opens none.
        message = f"the route `{route.name}` is never reached: CONNECT is refused before any rule is asked"
        yield known.at(*here, "match", "methods").warning(message)
        return
    takers = _takers(route.match, earlier.near(route.match))
    if takers:
        what = "takes" if len(takers) == 1 else "take"
        names = " and ".join([f"`{name}`" for name in takers])
        message = f"the route `{route.name}` is never reached: {names} above {what} all its requests"
        yield known.at(*here, "name").warning(message)


def unserved(rules: RuleSet, known: Places) -> Iterator[Problem]:
    """Listeners that speak http and whose every request is answered with 404."""
    named = [route.match.listener for route in rules.routes]
    for listener in rules.listeners:
        if listener.protocol == "http" and not any(not names or listener.name in names for names in named):
            message = f"no route takes what comes in at the listener `{listener.name}`: every request there gets a 404"
            yield known.at("listeners", listener.name, "name").warning(message)


def _takers(match: MatchRule, earlier: list[RouteRule]) -> tuple[str, ...]:
    """The earlier routes that leave this one nothing, each taking some of its methods; empty when something is left."""
    for other in earlier:
        if _covers(other.match, match):
            return (other.name,)
    takers: list[str] = []
    for method in match.methods:
        one = replace(match, methods=(method,))
        taker = next((other.name for other in earlier if _covers(other.match, one)), None)
        if taker is None:
            return ()
        takers.append(taker)
    return tuple(dict.fromkeys(takers))


def _covers(one: MatchRule, other: MatchRule) -> bool:
    """Whether every request the other matches is matched by this one."""
    if one.listener and (not other.listener or not set(other.listener) <= set(one.listener)):
        return False
    if one.methods and (not other.methods or not set(other.methods) <= set(one.methods)):
        return False
    if not one.headers.items() <= other.headers.items():
        return False
    return _covers_host(one.host, other.host) and _covers_path(one, other)


def _covers_host(one: str | None, other: str | None) -> bool:
    if one is None or one == other:
        return True
    return other is not None and one.startswith("*.") and other.removeprefix("*.").endswith(one[1:])


def _covers_path(one: MatchRule, other: MatchRule) -> bool:
    mine, theirs = one.path, other.path
    if mine == theirs or (mine.kind == "prefix" and mine.text == "/"):
        return True
    if mine.kind == "prefix":
        return theirs.text == mine.text or theirs.text.startswith(f"{mine.text}/")
    if mine.kind == "template" and theirs.kind != "prefix":
        wanted, found = mine.text.split("/"), theirs.text.split("/")
        return len(wanted) == len(found) and all(
            a == b or (a.startswith("{") and bool(b)) for a, b in zip(wanted, found, strict=True)
        )
    return False
