"""What fields of the rules are marked with, and how the policies of a record are found again.

Owns no rule. Each mark says to decoding, schema and reference what an annotation's type alone cannot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar, cast

from sidecar.policies.catalogue import Scope

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class FromKey:
    """Marks the field that takes the key a mapping of rules is written under."""


@dataclass(frozen=True, slots=True)
class Written:
    """Marks a field that is written under another key: one that is a word of Python's, say."""

    key: str


@dataclass(frozen=True, slots=True)
class Policies:
    """Marks the field that takes every policy of a scope, each by its key. `given`: those on by default are on."""

    scope: Scope
    given: bool = True


def policy_of(policies: Mapping[str, object], kind: type[S], key: str | None) -> S | None:
    """The one of this Spec type, or the one under `key` where that is of the type; None when there is none."""
    if key is not None:
        found = policies.get(key)
        return found if isinstance(found, kind) else None
    for value in policies.values():
        if isinstance(value, kind):
            return value
        if isinstance(value, tuple) and value and isinstance(value[0], kind):
            return value[0]
    return None


def policies_of(policies: Mapping[str, object], kind: type[S]) -> list[S]:
    """Every one of this Spec type, in order; the items of a list among them."""
    found: list[S] = []
    for value in policies.values():
        items = cast("tuple[object, ...]", value) if isinstance(value, tuple) else (value,)
        found.extend(item for item in items if isinstance(item, kind))
    return found
