"""From the name that a refusal gives its rule to the keys that were written for it, with their places in the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from sidecar.rules.effective import effective, flattened, notation
from sidecar.rules.load import Loaded
from sidecar.rules.schema import RuleSet

_DEFAULT = "default"
# A breaker's label begins with what it belongs to.
_LABELS = {"route.": "routes.", "upstream.": "upstreams."}


@dataclass(frozen=True, slots=True)
class RuleKey:
    """One key in effect: its dotted path, its value as a file would say it, and where it was written (`file:line`), or
    `default`."""

    key: str
    value: str
    origin: str

    def as_mapping(self) -> dict[str, object]:
        """The key as JSON shows it."""
        return {"key": self.key, "value": self.value, "from": self.origin}


def keys_of_rule(loaded: Loaded, rule: str) -> list[RuleKey]:
    """The keys behind a rule's name: `login/per-client`, `api/timeout.request`, `overload/max_memory`, the label of a
    breaker such as `upstream.app`, or a route's own name. Empty where the rules in force have no such."""
    values = flattened(effective(_around(loaded.rules, rule), loaded.secrets))
    for place in _places(loaded, rule):
        found = [
            RuleKey(path, notation(value), origin_of(path, loaded.provenance))
            for path, value in values.items()
            if path == place or path.startswith(f"{place}.")
        ]
        if found:
            return found
    return []


def origin_of(path: str, provenance: Mapping[str, str]) -> str:
    """Where the value of a dotted path came from; a piece of a longer written value came from where that is."""
    steps = path.split(".")
    while steps:
        found = provenance.get(".".join(steps))
        if found is not None:
            return found
        steps.pop()
    return _DEFAULT


def _around(rules: RuleSet, rule: str) -> RuleSet:
    """The rules without the routes and upstreams that cannot matter: to write ten thousand back takes a second."""
    owners = {rule.partition("/")[0], rule.partition(".")[2]}
    routes = tuple(route for route in rules.routes if route.name in owners)
    named = owners.union(*(route.upstreams for route in routes))
    upstreams = {name: upstream for name, upstream in rules.upstreams.items() if name in named}
    return replace(rules, routes=routes, upstreams=upstreams)


def _places(loaded: Loaded, rule: str) -> Iterator[str]:
    """Where it may stand, the likeliest first."""
    owner, slash, key = rule.partition("/")
    if not slash:
        for label, scope in _LABELS.items():
            if rule.startswith(label):
                yield f"{scope}{rule.removeprefix(label)}.circuit_breaker"
        yield f"routes.{rule}"
        return
    yield f"routes.{owner}.{key}"
    yield f"routes.{owner}.rate_limits.{key}"
    # What a route refuses because of its upstream's bound goes by the route's name.
    for route in loaded.rules.routes:
        if route.name == owner:
            yield from (f"upstreams.{upstream}.{key}" for upstream in route.upstreams)
    yield f"upstreams.{owner}.{key}"
    yield f"{owner}.{key}"
