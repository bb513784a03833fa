"""What no single value can know: that names are unique, that what is named exists, that two parts agree.

Errors only; what is merely unwise is in lints.py. Names are read from the tree, so that a broken upstream is not
also reported as a missing one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from sidecar.model.address import Address
from sidecar.policies.fault import FaultSpec
from sidecar.policies.rate_limit import RateLimitSpec
from sidecar.rules.byte_routes import byte_problems, raw_upstreams
from sidecar.rules.nearest import nearest
from sidecar.rules.own_answers import needs_upstreams, own_answer_problems
from sidecar.rules.problems import Problem
from sidecar.rules.schema import DEFAULT_LISTENER, RouteRule, RuleSet
from sidecar.rules.tree import DEFAULT, Items, Node, Origin, Scalar, Table, tables

# By ALPN names, what a listener of `protocol: http` may offer.
_SPOKEN = ("http/1.1", "http/1.0")


def structure(tree: Table) -> Iterator[Problem]:
    """Problems of the tree itself: nothing to serve, names used twice."""
    wanted = {
        "upstreams": "there is no upstream; add `upstreams`, or give a backend with --upstream http://HOST:PORT",
        "routes": "there is no route; add `routes`, as in `routes: [{name: everything, upstream: app}]`",
        "listeners": "there is no listener; drop the key for one on :8080",
    }
    for key, sentence in wanted.items():
        node = tree.get(key)
        empty = (isinstance(node, Items) and not node.items) or (isinstance(node, Table) and not node.entries)
        needed = key != "upstreams" or needs_upstreams(tree.get("routes"))
        if needed and (node is None or empty):
            yield (node or tree).origin.error(sentence)
    yield from byte_problems(tree)
    yield from own_answer_problems(tree.get("routes"))
    yield from _twice(tree.get("listeners"), "name", "listener", DEFAULT_LISTENER)
    yield from _twice(tree.get("listeners"), "address", "listener address", same=_address)
    routes = tree.get("routes")
    yield from _twice(routes, "name", "route")
    for route in tables(routes):
        yield from _twice(route.get("rate_limits"), "name", "rate limit")
    yield from _twice(_table(tree, "defaults").get("rate_limits"), "name", "rate limit")


def references(rules: RuleSet, tree: Table, places: Mapping[str, Origin], allow_faults: bool) -> Iterator[Problem]:
    """Problems between parts: what is named but not there, what may not be used."""
    names = list(_table(tree, "upstreams").entries)

    def at(*path: str) -> Origin:
        steps = list(path)
        while steps and places.get(".".join(steps), DEFAULT) == DEFAULT:
            steps.pop()
        return places.get(".".join(steps), tree.origin)

    yield from _listeners(rules, at)
    listeners = [listener.name for listener in rules.listeners]
    for route in rules.routes:
        for index, name in enumerate(route.match.listener):
            yield from _unknown("listener", name, listeners, at("routes", route.name, "match", "listener", str(index)))
        for index, name in enumerate(route.upstreams):
            place = at("routes", route.name, *(("upstream",) if route.upstream else ("split", str(index), "upstream")))
            yield from _unknown("upstream", name, names, place)
        fault = route.spec(FaultSpec)
        if fault is not None and not allow_faults:
            yield at("routes", route.name, "fault").error("`fault` is refused without --allow-faults")
        for limit in route.specs(RateLimitSpec):
            for index, source in enumerate(limit.key):
                if not _has(route, source):
                    place = at("routes", route.name, "rate_limits", limit.name, "key", str(index))
                    yield place.error(_no_variable(source, f"the path of route `{route.name}`"))
    yield from _hash_keys(rules, at)
    yield from raw_upstreams(rules, at)


def _listeners(rules: RuleSet, at: Callable[..., Origin]) -> Iterator[Problem]:
    for listener in rules.listeners:
        if listener.address == rules.admin.address and (listener.address.port or listener.address.is_unix):
            yield at("listeners", listener.name, "address").error(f"`{listener.address}` is the admin's address, too")
        if listener.protocol == "http" and listener.tls is not None:
            for offer in listener.tls.alpn:
                if offer not in _SPOKEN:
                    place = at("listeners", listener.name, "tls", "alpn")
                    yield place.error(f"`{offer}` is not spoken here, and may not be offered; write {_SPOKEN[0]}")


def _hash_keys(rules: RuleSet, at: Callable[..., Origin]) -> Iterator[Problem]:
    for upstream in rules.upstreams.values():
        hashed = upstream.balance.hash
        users = [route for route in rules.routes if upstream.name in route.upstreams]
        if hashed and users and not any(_has(route, hashed) for route in users):
            place = at("upstreams", upstream.name, "balance", "hash")
            yield place.error(_no_variable(hashed, "the path of any route to this upstream"))


def _unknown(what: str, name: str, names: Sequence[str], place: Origin) -> Iterator[Problem]:
    if name not in names:
        hint = nearest(name, names) or (f"; there are: {', '.join(names)}" if names else "")
        yield place.error(f"there is no {what} `{name}`{hint}")


def _has(route: RouteRule, source: str) -> bool:
    return not source.startswith("path:") or source.removeprefix("path:") in route.match.path.variables


def _no_variable(source: str, where: str) -> str:
    name = source.removeprefix("path:")
    return f"`{source}` names a variable, but {where} has none called `{{{name}}}`"


def _address(text: str) -> object:
    try:
        return Address.parse(text)
    except ValueError:
        return text  # told of where it is decoded


def _twice(
    node: Node | None, key: str, what: str, absent: str | None = None, same: Callable[[str], object] = str
) -> Iterator[Problem]:
    """Values of `key` that are the `same`. A port 0 is no exception: a reload finds a listener again by its address."""
    seen: dict[object, Origin] = {}
    for item in tables(node):
        value = item.get(key) or (Scalar(absent, item.origin) if absent else None)
        if not isinstance(value, Scalar):
            continue
        if (first := seen.get(same(value.text))) is not None:
            where = f"; the first is on line {first.line}" if first.line and first != DEFAULT else ""
            yield value.origin.error(f"the {what} `{value.text}` is used twice{where}")
        seen.setdefault(same(value.text), value.origin)


def _table(tree: Table, key: str) -> Table:
    node = tree.get(key)
    return node if isinstance(node, Table) else Table({})
