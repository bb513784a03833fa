"""Routes that answer by themselves: what they cannot say, since no upstream is asked, and redirects that lead back to
where they came from."""

from __future__ import annotations

from collections.abc import Iterator

from sidecar.policies.catalogue import entries
from sidecar.rules.places import Places
from sidecar.rules.problems import Problem
from sidecar.rules.schema import ListenerRule, RouteRule, RuleSet
from sidecar.rules.tree import Items, Node, Table, tables

ENDS = ("redirect", "respond")
_PORTS = {"http": 80, "https": 443}


def answers_itself(route: Table) -> bool:
    """Whether the route leads to no upstream."""
    return any(route.get(end) is not None for end in ENDS)


def needs_upstreams(routes: Node | None) -> bool:
    """Whether some route leads to an upstream, or might once it is read."""
    tables = routes.items if isinstance(routes, Items) else ()
    return not tables or not all(isinstance(route, Table) and answers_itself(route) for route in tables)


def own_answer_problems(routes: Node | None) -> Iterator[Problem]:
    """Policies about upstreams, written in a route without one. What `defaults` say of them is not meant for it."""
    idle = [entry.key for entry in entries("route") if not entry.alone]
    for route in tables(routes):
        if not answers_itself(route):
            continue
        end = next(end for end in ENDS if route.get(end) is not None)
        for key in idle:
            if route.get(key) is not None:
                yield route.entries[key].origin.error(
                    f"`{key}` is about an upstream, and this route has a `{end}` instead"
                )


def circles(route: RouteRule, rules: RuleSet, known: Places) -> Iterator[Problem]:
    """A redirect to the very address that the request came to."""
    spec = route.redirect
    if spec is None or spec.scheme is None or spec.port is not None or spec.path is not None:
        return
    named = route.match.listener
    met = [rule for rule in rules.listeners if rule.protocol == "http" and (not named or rule.name in named)]
    if spec.host in (None, route.match.host) and met and all(_is_at(rule, spec.scheme) for rule in met):
        yield known.at("routes", route.name, "redirect", "scheme").warning(
            f"leads back to where it came from: each listener of this route speaks {spec.scheme} at its port"
        )


def _is_at(listener: ListenerRule, scheme: str) -> bool:
    # Behind a trusted proxy the client may use another scheme and port than the connection here.
    spoken = "http" if listener.tls is None else "https"
    return spoken == scheme and listener.address.port == _PORTS[scheme] and not listener.trusted_proxies
