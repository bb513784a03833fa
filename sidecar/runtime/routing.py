"""Which route a request takes: the first, in the order of the rules, whose conditions hold.

Paths and hosts are brought into their matching forms once a request, and only when a route asks for them; what is
forwarded is never touched. See `paths.py` for why `//admin` is `/admin` here, and why `/public/../admin` leads nowhere
where routes differ on it; `matching.py` for conditions.

A table of few routes is searched one by one, a larger one through an index: by host, then by exact path or along a tree
of segments, and of what is left by method and header. What a request costs does not grow with the routes, but with the
branches it fits: the hosts that end as its own does, the segments of its path as deep as rules go, and the templates on
the way. No node is visited twice, so that a search never looks at more than one by one would. What stays linear are
routes of one host and path that differ in nothing but one of several methods, or share all but one of their headers
with hundreds of others each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from sidecar.model.facts import RequestFacts
from sidecar.runtime.matching import ANY_PATH, EXACT, TEMPLATE, Matcher, matching_host
from sidecar.runtime.paths import CLIMBS, NO_CLIMB, climbs, matching_path, segments, unresolved
from sidecar.runtime.route import Route

# Up to here looking at each route is cheaper than the index, which costs as much as trying about eight.
_FEW_ROUTES = 8
# From here on the routes of one host and path are told apart by a look-up, which costs as much as trying a few.
_CROWD = 8
_NO_LIMIT = 1 << 30
_CLIMBS = CLIMBS
_NO_CLIMB = NO_CLIMB

AMBIGUOUS = "the path climbs by `..`, and different backends would read it as different paths"


class Candidate:
    """A route whose host and path fit wherever it is found; its methods and headers are still to be compared."""

    __slots__ = ("_headers", "_methods", "bare", "index", "route")

    def __init__(self, index: int, route: Route) -> None:
        matcher: Matcher = route.matcher
        self.index = index
        self.route = route
        self._methods = matcher.methods
        self._headers = matcher.headers
        self.bare = not (self._methods or self._headers)

    def holds(self, head: RequestFacts) -> bool:
        """Whether what is left to compare holds."""
        if self._methods and head.method not in self._methods:
            return False
        for name, value in self._headers:  # noqa: SIM110 - a generator costs more than the loop
            if head.header(name) != value:
                return False
        return True


class Choice:
    """The candidates of one host and one path, in order; a crowd of them is sorted by method and by header."""

    __slots__ = ("_candidates", "_tables", "lowest")

    def __init__(self, lowest: int) -> None:
        self.lowest = lowest
        self._candidates: list[Candidate] = []
        self._tables: list[tuple[bytes | None, dict[bytes, list[Candidate]]]] = []

    def add(self, candidate: Candidate) -> None:
        """Add the next in the order of the rules."""
        self._candidates.append(candidate)

    def settle(self) -> None:
        """Nothing is added any more: leave out what is never reached, and sort what is left if it is a crowd."""
        kept: dict[object, Candidate] = {}
        for candidate in self._candidates:
            matcher: Matcher = candidate.route.matcher
            kept.setdefault((matcher.methods, matcher.headers), candidate)
            if candidate.bare:
                break
        self._candidates = list(kept.values())
        if len(self._candidates) > _CROWD:
            self._sort()

    def _sort(self) -> None:
        pairs = Counter([pair for candidate in self._candidates for pair in candidate.route.matcher.headers])
        tables: dict[bytes | None, dict[bytes, list[Candidate]]] = {}
        rest: list[Candidate] = []
        for candidate in self._candidates:
            matcher: Matcher = candidate.route.matcher
            if matcher.headers:
                # The rarest of its headers: `x-env: live` in front of each `x-tenant` would tell nobody apart.
                name, value = min(matcher.headers, key=pairs.__getitem__)
                tables.setdefault(name, {}).setdefault(value, []).append(candidate)
            elif matcher.methods:
                for method in matcher.methods:
                    tables.setdefault(None, {}).setdefault(method, []).append(candidate)
            else:
                rest.append(candidate)
        self._candidates = rest
        self._tables = list(tables.items())

    def first(self, head: RequestFacts, limit: int) -> Candidate | None:
        """The first that holds, of those before `limit` in the order of the rules."""
        found = _first(self._candidates, head, limit)
        if not self._tables:
            return found
        if found is not None:
            limit = found.index
        for name, table in self._tables:
            value = head.method if name is None else head.header(name)
            listed = None if value is None else table.get(value)
            if listed is not None:
                better = _first(listed, head, limit)
                if better is not None:
                    found = better
                    limit = better.index
        return found


class Node:
    """One more segment of a path. `lowest` is the first route at it or below it, so that a search can turn back.

    `below` are the routes of every path that leads through here, `whole` those of paths that end here.
    """

    __slots__ = ("below", "children", "lowest", "variable", "whole")

    def __init__(self, lowest: int) -> None:
        self.lowest = lowest
        self.below: Choice | None = None
        self.whole: Choice | None = None
        self.children: dict[bytes, Node] = {}
        self.variable: Node | None = None


class Site:
    """The routes of one host, of every name below one, or of no host in particular."""

    __slots__ = ("exact", "lowest", "root")

    def __init__(self, lowest: int) -> None:
        self.lowest = lowest
        self.exact: dict[bytes, Choice] = {}
        self.root = Node(lowest)

    def add(self, candidate: Candidate) -> Choice:
        """Add the next in the order of the rules; returns where it went."""
        matcher: Matcher = candidate.route.matcher
        if matcher.kind == EXACT:
            choice = self.exact.get(matcher.path)
            if choice is None:
                choice = self.exact[matcher.path] = Choice(candidate.index)
        else:
            choice = self._grown(matcher, candidate.index)
        choice.add(candidate)
        return choice

    def _grown(self, matcher: Matcher, index: int) -> Choice:
        node = self.root
        for segment in _pattern(matcher):
            child = node.variable if segment is None else node.children.get(segment)
            if child is None:
                child = Node(index)
                if segment is None:
                    node.variable = child
                else:
                    node.children[segment] = child
            node = child
        if matcher.kind == TEMPLATE:
            if node.whole is None:
                node.whole = Choice(index)
            return node.whole
        if node.below is None:
            node.below = Choice(index)
        return node.below

    def first(
        self, head: RequestFacts, path: bytes, pieces: list[bytes] | None, found: Candidate | None
    ) -> Candidate | None:
        """The first route that takes the request, or `found` when none comes before it in the order of the rules.

        `pieces` are the first segments of the path, None when it is no path (`*`), which fits only what asks for none.
        """
        if pieces is None:
            return _better(self.root.below, head, found)
        if self.exact:
            found = _better(self.exact.get(path), head, found)
        node: Node | None = self.root
        depth = 0
        count = len(pieces)
        postponed: list[tuple[Node, int]] | None = None
        while node is not None:
            if found is None or node.lowest < found.index:
                found = _better(node.below, head, found)
                if depth == count:
                    found = _better(node.whole, head, found)
                else:
                    if node.variable is not None:
                        if postponed is None:
                            postponed = []
                        postponed.append((node.variable, depth + 1))
                    node = node.children.get(pieces[depth])
                    depth += 1
                    if node is not None:
                        continue
            if not postponed:
                break
            node, depth = postponed.pop()
        return found


class Index:
    """Every route of a table by its host, then by its path."""

    __slots__ = ("_any_host", "_below", "_deepest", "_hosts", "_longest_below")

    def __init__(self, routes: Sequence[Route]) -> None:
        self._any_host: Site | None = None
        self._hosts: dict[bytes, Site] = {}
        self._below: dict[bytes, Site] = {}
        choices: dict[int, Choice] = {}
        self._deepest = 0
        for index, route in enumerate(routes):
            matcher: Matcher = route.matcher
            choice = self._site(matcher, index).add(Candidate(index, route))
            choices[id(choice)] = choice
            self._deepest = max(self._deepest, 0 if matcher.kind == EXACT else len(_pattern(matcher)))
        for choice in choices.values():
            choice.settle()
        self._longest_below = max([len(name) for name in self._below], default=0)

    def _site(self, matcher: Matcher, index: int) -> Site:
        if not matcher.needs_host:
            if self._any_host is None:
                self._any_host = Site(index)
            return self._any_host
        sites, name = (self._below, matcher.host_below) if matcher.host_below else (self._hosts, matcher.host)
        site = sites.get(name)
        if site is None:
            site = sites[name] = Site(index)
        return site

    def first(self, head: RequestFacts, path: bytes, host: bytes) -> Route | None:
        """The first route that takes the request; `path` and `host` in their matching forms."""
        pieces = self._pieces(path)
        found: Candidate | None = None
        site = self._hosts.get(host) if host else None
        if site is not None:
            found = site.first(head, path, pieces, None)
        if self._below:
            end = len(host)
            start = len(host)
            while True:
                # Never from 0: `.example.com` is no name below example.com.
                start = host.rfind(b".", 1, start)
                if start < 0 or end - start > self._longest_below:
                    break
                site = self._below.get(host[start:])
                if site is not None and (found is None or site.lowest < found.index):
                    found = site.first(head, path, pieces, found)
        site = self._any_host
        if site is not None and (found is None or site.lowest < found.index):
            found = site.first(head, path, pieces, found)
        return None if found is None else found.route

    def _pieces(self, path: bytes) -> list[bytes] | None:
        if not path.startswith(b"/"):
            return None
        # One more than rules have, to tell a path that ends from one that goes on; what follows stays in one piece, or
        # a path of nothing but slashes and letters would cost its every segment.
        inner = path[1 : len(path) - 1] if path.endswith(b"/") else path[1:]
        return inner.split(b"/", self._deepest) if inner else []


class Router:
    """The routes of one generation. A table without conditions in its first route costs one comparison."""

    __slots__ = ("_always", "_index", "_needs_host", "_needs_path", "routes")

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(routes)
        self._always = self.routes[0] if self.routes and self.routes[0].matcher.always else None
        self._needs_path = any(route.matcher.needs_path for route in self.routes)
        self._needs_host = any(route.matcher.needs_host for route in self.routes)
        self._index = Index(self.routes) if len(self.routes) > _FEW_ROUTES and self._always is None else None

    def match(self, head: RequestFacts) -> Route | None:
        """The route of a request, None when no route takes it, or when its path leads to two."""
        if self._always is not None:
            return self._always
        asked = head.path if self._needs_path else b""
        path = matching_path(asked)
        host = matching_host(head.authority) if self._needs_host else b""
        route = self._taking(head, path, host)
        return None if path is not asked and self._is_two_faced(head, asked, host, route) else route

    def is_ambiguous(self, head: RequestFacts) -> bool:
        """Whether it is its path's two readings that keep a request from every route."""
        if self._always is not None or not self._needs_path:
            return False
        host = matching_host(head.authority)
        route = self._taking(head, matching_path(head.path), host)
        return self._is_two_faced(head, head.path, host, route)

    def _is_two_faced(self, head: RequestFacts, asked: bytes, host: bytes, route: Route | None) -> bool:
        climbing = climbs(asked)
        if climbing == _NO_CLIMB:
            return False
        return climbing != _CLIMBS or self._taking(head, unresolved(asked), host) is not route

    def _taking(self, head: RequestFacts, path: bytes, host: bytes) -> Route | None:
        if self._index is not None:
            return self._index.first(head, path, host)
        for route in self.routes:
            matcher: Matcher = route.matcher
            if matcher.matches(head, path, host):
                return route
        return None

    def explain(self, head: RequestFacts) -> list[tuple[Route, bool, str]]:
        """Each route up to the one that matches, whether it does, and why; not for the path of requests."""
        told: list[tuple[Route, bool, str]] = []
        path = matching_path(head.path)
        host = matching_host(head.authority)
        for route in self.routes:
            refusal = route.matcher.refusal(head, path, host)
            if refusal is None and self.is_ambiguous(head):
                told.append((route, False, AMBIGUOUS))
                break
            if refusal is None:
                why = "it has no condition" if route.matcher.always else "every condition holds"
                told.append((route, True, why))
                break
            told.append((route, False, refusal))
        return told


def _better(choice: Choice | None, head: RequestFacts, found: Candidate | None) -> Candidate | None:
    if choice is None:
        return found
    if found is None:
        return choice.first(head, _NO_LIMIT)
    if choice.lowest >= found.index:
        return found
    better = choice.first(head, found.index)
    return found if better is None else better


def _first(candidates: list[Candidate], head: RequestFacts, limit: int) -> Candidate | None:
    for candidate in candidates:
        if candidate.index >= limit:
            return None
        if candidate.bare or candidate.holds(head):
            return candidate
    return None


def _pattern(matcher: Matcher) -> Sequence[bytes | None]:
    if matcher.kind == ANY_PATH:
        return ()
    return matcher.segments if matcher.kind == TEMPLATE else segments(matcher.path)
