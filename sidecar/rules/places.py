"""Where each value was written and by which hand, for whoever comments on rules. Judges none of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sidecar.rules.schema import RouteRule
from sidecar.rules.tree import DEFAULT, Origin


@dataclass(frozen=True, slots=True)
class Places:
    """Where things were written, and whether a route says them itself."""

    places: Mapping[str, Origin]

    def at(self, *path: str) -> Origin:
        """Where this was written, or the nearest thing around it that was."""
        steps = list(path)
        while steps and self.places.get(".".join(steps), DEFAULT) == DEFAULT:
            steps.pop()
        return self.places.get(".".join(steps), DEFAULT)

    def wrote(self, *path: str) -> bool:
        """Whether anybody wrote this, be it `null`."""
        return self.places.get(".".join(path), DEFAULT) != DEFAULT

    def inherits(self, route: RouteRule, key: str) -> bool:
        """Whether the route has this from `defaults`, or nobody wrote it."""
        here = self.places.get(f"routes.{route.name}.{key}", DEFAULT)
        return here in (DEFAULT, self.places.get(f"defaults.{key}"))

    def same_hand(self, route: RouteRule, *keys: str) -> bool:
        """Whether all were written in the route, or all in `defaults`: only then were they meant together."""
        return len({self.inherits(route, key) for key in keys}) == 1

    def to_blame(self, route: RouteRule, key: str, limit: str) -> bool:
        """Whether `key` may be blamed for passing `limit`: not where a route lowers the limit of what it inherits."""
        return not self.inherits(route, key) or self.inherits(route, limit)
