"""A rules file as a tree that remembers where each piece was written. Knows no YAML and no schema.

Scalars stay text: what `10` or `on` means is the business of the key it stands under, so YAML's own guesses
(`on` is true, `1:30` is ninety) never happen. Nodes are immutable; an edit returns a new tree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sidecar.rules.problems import Problem

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value came from: a file's line and column, or the name of a source without lines."""

    source: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}" if self.line else self.source

    def error(self, message: str) -> Problem:
        """An error at this place."""
        return Problem(self.source, self.line, self.column, "error", message)

    def warning(self, message: str) -> Problem:
        """A warning at this place."""
        return Problem(self.source, self.line, self.column, "warning", message)


DEFAULT = Origin("default")


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value as text. `style` is YAML's: empty for a plain one, else its quote or block mark."""

    text: str
    origin: Origin
    style: str = ""
    secret: bool = False

    @property
    def is_null(self) -> bool:
        """Whether nothing is written here; a quoted empty text is something."""
        return not self.style and self.text in _NULLS


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    items: tuple[Node, ...]
    origin: Origin


@dataclass(frozen=True, slots=True)
class Entry:
    """What a key holds, and where the key itself stands."""

    origin: Origin
    value: Node


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping, in the order written."""

    entries: Mapping[str, Entry]
    origin: Origin = field(default=DEFAULT)

    def get(self, key: str) -> Node | None:
        """What the key holds; None when it is not there or holds nothing."""
        entry = self.entries.get(key)
        return None if entry is None or is_null(entry.value) else entry.value

    def put(self, key: str, value: Node, origin: Origin | None = None) -> Table:
        """This table with the key holding the value."""
        known = self.entries.get(key)
        place = known.origin if known and origin is None else origin or value.origin
        return replace(self, entries={**self.entries, key: Entry(place, value)})


Node = Scalar | Items | Table


def is_null(node: Node) -> bool:
    """Whether nothing is written here."""
    return isinstance(node, Scalar) and node.is_null


def tables(node: Node | None) -> tuple[Table, ...]:
    """The mappings of a list; what else stands in it is told of where it is decoded."""
    return tuple(item for item in node.items if isinstance(item, Table)) if isinstance(node, Items) else ()


def merged(under: Node | None, over: Node | None) -> Node | None:
    """What `over` says, and beneath it what `under` says; mappings are merged key by key, everything else replaced."""
    if over is None or under is None:
        return under if over is None else over
    if not isinstance(under, Table) or not isinstance(over, Table):
        return over
    result = Table({**under.entries, **over.entries}, over.origin)
    for key in under.entries.keys() & over.entries.keys():
        value = merged(under.entries[key].value, over.entries[key].value)
        if value is not None:
            result = result.put(key, value)
    return result
