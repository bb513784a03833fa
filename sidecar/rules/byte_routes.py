"""Routes of connections without HTTP: which they are, what `defaults` give them, and what cannot be said of them.

A listener of `protocol: tcp` is served by the routes that name it in `match.listener`, and by them only. Works on the
tree, so that each problem stands where its key was written.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

from sidecar.policies.bulkhead import ADAPTIVE
from sidecar.policies.health_gate import HealthCheckSpec
from sidecar.rules.problems import Problem
from sidecar.rules.schema import DEFAULT_LISTENER, RouteRule, RuleSet, UpstreamRule
from sidecar.rules.tree import DEFAULT, Items, Node, Origin, Scalar, Table, is_null, tables

# Between two queries a session of a database is silent for minutes. What is dead meanwhile, keep-alive finds.
IDLE = "1h"

_CLIENT = "client_ip"
# All that such a route may say; of some keys a part only. Everything else is about HTTP.
_ROUTE = frozenset(
    (
        *("name", "match", "upstream", "split", "split_key"),
        *("rate_limits", "concurrency", "fault", "circuit_breaker", "timeout", "retry"),
    )
)
_PARTS = {
    "match": frozenset(("listener",)),
    "timeout": frozenset(("request", "idle", "total", "mode")),
    "retry": frozenset(("max_attempts", "on", "backoff", "budget", "mode")),
}
# What a listener without HTTP cannot say.
_OF_HTTP = (
    *("max_header_bytes", "max_headers", "max_body_bytes"),
    *("timeouts.body", "tls.forward_client_certificate", "forwarding"),
)


def byte_listeners(tree: Table) -> frozenset[str]:
    """Names of the listeners without HTTP."""
    return frozenset([_name(one) for one in tables(tree.get("listeners")) if _text(one.get("protocol")) == "tcp"])


def is_byte_route(route: Table, listeners: Collection[str]) -> bool:
    """Whether the route is of connections without HTTP; `listeners` are those of `byte_listeners`."""
    named = [name.text for name in _named(route)]
    return bool(named) and all(name in listeners for name in named)


def without_http(whole: Mapping[str, Any]) -> None:
    """Takes out of the rules in effect, as plain values, whatever says nothing of connections without HTTP."""
    raw = {listener["name"]: listener for listener in whole["listeners"] if listener["protocol"] == "tcp"}
    for listener in raw.values():
        for key in _OF_HTTP:
            first, _, part = key.partition(".")
            if not part:
                listener.pop(first, None)
            elif isinstance(listener.get(first), dict):
                listener[first].pop(part, None)
    for route in whole["routes"]:
        named = route["match"]["listener"]
        if named and all(name in raw for name in named):
            for key in route.keys() - _ROUTE:
                del route[key]
            for key, parts in _PARTS.items():
                if isinstance(route.get(key), dict):
                    route[key] = {part: value for part, value in route[key].items() if part in parts}


def defaults_of_bytes(defaults: Table) -> Table:
    """What of `defaults` says something of connections without HTTP."""
    entries = {key: entry for key, entry in defaults.entries.items() if key in _ROUTE}
    for key, parts in _PARTS.items():
        entry = entries.get(key)
        if entry is not None and isinstance(entry.value, Table):
            kept = {name: part for name, part in entry.value.entries.items() if name in parts}
            entries[key] = replace(entry, value=replace(entry.value, entries=kept))
    if _adaptive(defaults) is not None:
        del entries["concurrency"]
    return replace(defaults, entries=entries)


def with_idle(route: Table) -> Table:
    """The route with the silence that its connections are allowed where nobody says how long."""
    entry = route.entries.get("timeout")
    timeout = Table({}, DEFAULT) if entry is None else entry.value
    if not isinstance(timeout, Table) or "idle" in timeout.entries:
        return route
    return route.put("timeout", timeout.put("idle", Scalar(IDLE, DEFAULT)), DEFAULT if entry is None else entry.origin)


def byte_problems(tree: Table) -> Iterator[Problem]:
    """Listeners that nobody serves, routes of two kinds, and keys that say nothing without HTTP."""
    listeners = byte_listeners(tree)
    routes = tables(tree.get("routes"))
    for listener in tables(tree.get("listeners")):
        name = _name(listener)
        if name in listeners:
            if not any(name in [one.text for one in _named(route)] for route in routes):
                message = f"no route takes the connections of `{name}`; give one `match: {{listener: {name}}}`"
                yield listener.origin.error(message)
            for key in _OF_HTTP:
                yield from _unsaid(listener, key, "this listener is `protocol: tcp`")
    for route in routes:
        raw = [name for name in _named(route) if name.text in listeners]
        if is_byte_route(route, listeners):
            yield from _http_keys(route, raw[0].text)
        elif raw:
            yield raw[0].origin.error(
                f"`{raw[0].text}` is `protocol: tcp`, and others that this route names are not; make it two routes"
            )


def raw_upstreams(rules: RuleSet, at: Callable[..., Origin]) -> Iterator[Problem]:
    """Endpoints of two kinds in one upstream, routes to what does not speak as they do, and policies of upstreams
    without HTTP that ask about it. `at` says where something is written."""
    listeners = {listener.name: listener.protocol for listener in rules.listeners}
    for upstream in rules.upstreams.values():
        yield from _of_upstream(upstream, at)
    for route in rules.routes:
        spoken = {listeners.get(name) for name in route.match.listener}
        if None in spoken or len(spoken) > 1:
            continue  # told of elsewhere
        wants = spoken == {"tcp"}
        for index, name in enumerate(route.upstreams):
            known = rules.upstreams.get(name)
            if known is not None and known.endpoints and known.endpoints[0].url.is_raw != wants:
                steps = ("upstream",) if route.upstream else ("split", str(index), "upstream")
                yield at("routes", route.name, *steps).error(_mismatch(route, known, wants))


def _of_upstream(upstream: UpstreamRule, at: Callable[..., Origin]) -> Iterator[Problem]:
    here = ("upstreams", upstream.name)
    for index, endpoint in enumerate(upstream.endpoints):
        if endpoint.url.is_raw != upstream.endpoints[0].url.is_raw:
            yield at(*here, "endpoints", str(index), "url").error(
                f"`{endpoint.url}` and `{upstream.endpoints[0].url}` speak differently; make it two upstreams"
            )
    if not upstream.endpoints or not upstream.endpoints[0].url.is_raw:
        return
    hashed = upstream.balance.hash
    if hashed not in (None, _CLIENT):
        yield at(*here, "balance", "hash").error(f"`{hashed}` is of a request, and here are none; write {_CLIENT}")
    check = upstream.spec(HealthCheckSpec)
    if check is not None and check.path is not None:
        yield at(*here, "health_check", "path").error(
            "a `path` is asked for by HTTP, which these endpoints do not speak; write `tcp: true`"
        )


def _mismatch(route: RouteRule, upstream: UpstreamRule, raw: bool) -> str:
    url = upstream.endpoints[0].url
    if raw:
        meant = "tls" if url.scheme == "https" else "tcp"
        return (
            f"`{route.name}` takes connections without HTTP, and `{upstream.name}` speaks it; "
            f"write its endpoints as {meant}://{url.address}"
        )
    return (
        f"`{route.name}` takes requests, and `{upstream.name}` has endpoints as {url}, without HTTP; name a listener "
        "of `protocol: tcp` in `match.listener`, or write the endpoints as http://"
    )


def _http_keys(route: Table, listener: str) -> Iterator[Problem]:
    why = f"the listener `{listener}` is `protocol: tcp`"
    for key, entry in route.entries.items():
        if key not in _ROUTE:
            yield from _unsaid(route, key, why)
        parts = _PARTS.get(key)
        if parts is not None and isinstance(entry.value, Table):
            for part in entry.value.entries.keys() - parts:
                yield from _unsaid(route, f"{key}.{part}", why)
    learned = _adaptive(route)
    if learned is not None:
        yield learned.origin.error(f"`{ADAPTIVE}` learns from how fast answers begin, and {why}; write a number")
    keys = [route.get("split_key"), *[limit.get("key") for limit in tables(route.get("rate_limits"))]]
    for source in [one for node in keys for one in _scalars(node)]:
        if source.text != _CLIENT:
            yield source.origin.error(f"`{source.text}` is of a request, and {why}; write {_CLIENT}")


def _unsaid(table: Table, path: str, why: str) -> Iterator[Problem]:
    """A problem where the key at this path says something."""
    key, _, part = path.partition(".")
    entry = table.entries.get(key)
    if part and entry is not None and isinstance(entry.value, Table):
        entry = entry.value.entries.get(part)
    elif part:
        return
    if entry is not None and not is_null(entry.value):
        yield entry.origin.error(f"`{path}` is about HTTP, and {why}")


def _adaptive(route: Table) -> Scalar | None:
    """Where it says that its concurrency limit is learned."""
    concurrency = route.get("concurrency")
    limit = concurrency.get("max") if isinstance(concurrency, Table) else None
    return limit if isinstance(limit, Scalar) and limit.text == ADAPTIVE else None


def _named(route: Table) -> list[Scalar]:
    match = route.get("match")
    return _scalars(match.get("listener")) if isinstance(match, Table) else []


def _scalars(node: Node | None) -> list[Scalar]:
    items = node.items if isinstance(node, Items) else (node,)
    return [item for item in items if isinstance(item, Scalar)]


def _name(listener: Table) -> str:
    return _text(listener.get("name")) or DEFAULT_LISTENER


def _text(node: Node | None) -> str:
    return node.text if isinstance(node, Scalar) else ""
