"""Which route a request takes: the first, in the order of the rules, whose conditions hold.

Paths and hosts are brought into their matching forms once a request, and only when a route asks for them; what is
forwarded is never touched. See `paths.py` for why `/public/../admin` is `/admin` here, `matching.py` for conditions.
"""

from __future__ import annotations

from collections.abc import Iterable

from sidecar.model.facts import RequestFacts
from sidecar.runtime.matching import matching_host
from sidecar.runtime.paths import matching_path
from sidecar.runtime.route import Route


class Router:
    """The routes of one generation. A table without conditions in its first route costs one comparison."""

    __slots__ = ("_always", "_needs_host", "_needs_path", "routes")

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(routes)
        self._always = self.routes[0] if self.routes and self.routes[0].matcher.always else None
        self._needs_path = any(route.matcher.needs_path for route in self.routes)
        self._needs_host = any(route.matcher.needs_host for route in self.routes)

    def match(self, head: RequestFacts) -> Route | None:
        """The route of a request, None when no route takes it."""
        if self._always is not None:
            return self._always
        path = matching_path(head.path) if self._needs_path else b""
        host = matching_host(head.authority) if self._needs_host else b""
        for route in self.routes:
            if route.matcher.matches(head, path, host):
                return route
        return None

    def explain(self, head: RequestFacts) -> list[tuple[Route, bool, str]]:
        """Each route up to the one that matches, whether it does, and why; not for the path of requests."""
        told: list[tuple[Route, bool, str]] = []
        path = matching_path(head.path)
        host = matching_host(head.authority)
        for route in self.routes:
            refusal = route.matcher.refusal(head, path, host)
            if refusal is None:
                why = "it has no condition" if route.matcher.always else "every condition holds"
                told.append((route, True, why))
                break
            told.append((route, False, refusal))
        return told
