"""Which routes a listener serves: one router for each set of them, and none beside the shared one where no rule asks.

Owns what `match.listener` means. May not know how a request finds its route among those of its listener.
"""

from __future__ import annotations

from collections.abc import Sequence

from sidecar.rules.schema import RuleSet
from sidecar.runtime.route import Route
from sidecar.runtime.routing import Router

# Where connections belong whose listener the rules no longer have: they are served until they end.
GONE = ""


def routers(rules: RuleSet, routes: Sequence[Route], shared: Router) -> dict[str, Router]:
    """The router of each listener by its name, and that of GONE; empty where every listener has all routes."""
    if not any(rule.match.listener for rule in rules.routes):
        return {}
    made: dict[tuple[int, ...], Router] = {tuple(range(len(routes))): shared}
    found: dict[str, Router] = {}
    # Not those without HTTP: what a listener has accepted before it became one is served as where one is gone.
    names = [listener.name for listener in rules.listeners if listener.protocol != "tcp"]
    for name in (*names, GONE):
        own = tuple([route.rule_index for route in routes if _serves(rules, route, name)])
        if own not in made:
            made[own] = Router([routes[index] for index in own])
        found[name] = made[own]
    return found


def byte_routes(rules: RuleSet, routes: Sequence[Route]) -> dict[str, Route]:
    """Where connections go that come in at a listener without HTTP: the first route that names it."""
    found: dict[str, Route] = {}
    for listener in rules.listeners:
        if listener.protocol == "tcp":
            naming = [route for route in routes if listener.name in rules.routes[route.rule_index].match.listener]
            if naming:
                found[listener.name] = naming[0]
    return found


def _serves(rules: RuleSet, route: Route, listener: str) -> bool:
    named = rules.routes[route.rule_index].match.listener
    return not named or listener in named
