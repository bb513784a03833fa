"""The user's rules as a drill can run them: what leads out of this process leads to a stand-in, and is told of.

Owns what is replaced and the sentences about it. Every policy stays as it is written. Pure: rules in, rules out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from sidecar.model.address import Address, Url, ip_literal
from sidecar.policies.health_gate import HealthCheckSpec
from sidecar.rules.load import Loaded
from sidecar.rules.schema import EndpointRule, ListenerRule, OverloadRule, RouteRule, RuleSet, UpstreamRule

# A network that is nobody's (RFC 5737), for what has no address of its own in here.
_NOWHERE = "198.51.100.{}"
_WELL = 200


class DrillError(Exception):
    """These rules and this scenario make no drill; the text says why."""


@dataclass(frozen=True, slots=True)
class Place:
    """One endpoint of the rules, and where its stand-in is. `name` is what the rules call it, `known_as` what the proxy
    will; `checked_by` is the status that its health checks are content with."""

    upstream: str
    place: int
    name: str
    known_as: str
    address: Address
    checked_by: int


@dataclass(frozen=True, slots=True)
class Staged:
    """What is drilled. `listener` is where clients connect."""

    loaded: Loaded
    listener: ListenerRule
    places: tuple[Place, ...]
    notes: tuple[str, ...]

    def called(self, name: str) -> str:
        """What the rules call an endpoint that the proxy knows by this name; any other name as it is."""
        return next((place.name for place in self.places if place.known_as == name), name)


def staged(loaded: Loaded, listener: str | None, stand_in: Callable[[Address], Address] | None = None) -> Staged:
    """These rules for a drill. `stand_in` gives each endpoint another address; without it they keep their own, where
    they have one.

    :raises DrillError: there is no such listener, or none that speaks HTTP."""
    rules = loaded.rules
    notes: list[str] = []
    http = [one for one in rules.listeners if one.protocol == "http"]
    chosen = next((one for one in http if listener in (None, one.name)), None)
    if chosen is None:
        named = ", ".join(f"`{one.name}`" for one in http)
        raise DrillError(
            f"no listener `{listener}` speaks HTTP; there is {named}" if named else "no listener speaks HTTP"
        )
    raw = {one.name for one in rules.listeners} - {one.name for one in http}
    notes += [f"listener {name}: `protocol: tcp` is not drilled" for name in sorted(raw)]
    routes = tuple(route for route in rules.routes if not raw.intersection(_listeners(route)))
    used = {name for route in routes for name in route.upstreams}
    places: list[Place] = []
    upstreams = {}
    for name, upstream in rules.upstreams.items():
        if name in used:
            upstreams[name] = _upstream(upstream, stand_in, places, notes)
        else:
            notes.append(f"upstream {name}: no route over HTTP leads to it, and it is not drilled")
    listeners = tuple([_listener(one, notes) for one in http])
    notes += _of_the_rest(rules)
    fitted = replace(
        rules,
        listeners=listeners,
        tracing=replace(rules.tracing, export=None),
        overload=OverloadRule(),
        upstreams=upstreams,
        routes=routes,
    )
    entrance = next(one for one in listeners if one.name == chosen.name)
    return Staged(replace(loaded, rules=fitted, credentials={}), entrance, tuple(places), tuple(notes))


def _listeners(route: RouteRule) -> tuple[str, ...]:
    named: tuple[str, ...] = route.match.listener
    return named


def _listener(rule: ListenerRule, notes: list[str]) -> ListenerRule:
    if rule.tls is not None:
        notes.append(f"listener {rule.name}: plain HTTP instead of TLS")
    if rule.proxy_protocol:
        notes.append(f"listener {rule.name}: connections begin without a PROXY header")
    return replace(rule, tls=None, proxy_protocol=False, unix=None)


def _upstream(
    rule: UpstreamRule, stand_in: Callable[[Address], Address] | None, places: list[Place], notes: list[str]
) -> UpstreamRule:
    if any(endpoint.url.scheme == "https" for endpoint in rule.endpoints):
        notes.append(f"upstream {rule.name}: plain HTTP instead of TLS")
    if rule.proxy_protocol is not None:
        notes.append(f"upstream {rule.name}: connections begin without a PROXY header")
    check = rule.spec(HealthCheckSpec)
    checked_by = _content(check)
    taken = {place.address for place in places}
    endpoints: list[EndpointRule] = []
    for number, endpoint in enumerate(rule.endpoints):
        address = endpoint.url.address
        if _is_name(address):
            notes.append(f"upstream {rule.name}: {address.host} is not looked up; one endpoint stands for it")
        if stand_in is not None:
            address = stand_in(address)
        elif _is_name(address) or address in taken:
            address = Address(_NOWHERE.format(len(places) % 254 + 1), 1024 + len(places))
        name, known_as = f"{rule.name}/{endpoint.url.address}", f"{rule.name}/{address}"
        places.append(Place(rule.name, number, name, known_as, address, checked_by))
        endpoints.append(replace(endpoint, url=Url("http", address)))
    return replace(rule, endpoints=tuple(endpoints), tls=None, proxy_protocol=None)


def _content(check: HealthCheckSpec | None) -> int:
    if check is None or any(low <= _WELL <= high for low, high in check.expect_status):
        return _WELL
    return check.expect_status[0][0]


def _is_name(address: Address) -> bool:
    """Whether the proxy would look it up; see Channels for `localhost`."""
    local = address.host == "localhost" or address.host.endswith(".localhost")
    return not address.is_unix and not local and ip_literal(address.host) is None


def _of_the_rest(rules: RuleSet) -> Iterator[str]:
    if rules.tracing.export is not None:
        yield "tracing.export: spans are not exported"
    if rules.overload.max_memory is not None:
        yield "overload.max_memory: the memory of a drill is no proxy's, and nothing is refused for want of it"
