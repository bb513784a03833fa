"""From the tree to frozen dataclasses, by the key tables. Every problem is collected; nothing stops at the first.

What cannot be read falls back on its default for the rest of the pass, so that one slip does not hide another; the
result is only used when there was no error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from sidecar.policies.catalogue import CATALOGUE
from sidecar.policies.units import Invalid, Kind
from sidecar.rules.keys import Key, Keyed, Many, Record, Shape, keys_of, name_field
from sidecar.rules.nearest import nearest
from sidecar.rules.problems import Problem
from sidecar.rules.tree import DEFAULT, Entry, Items, Node, Origin, Scalar, Table, is_null

FAILED: Final[Any] = object()
# What somebody writes who wants a policy off; YAML's own word for it is null.
_OFF: Final = frozenset({"false", "off", "no", "none", "disabled"})


@dataclass(slots=True)
class Decoder:
    """One pass over one tree. `places` maps dotted paths to where they were written, `leaves` only those of values."""

    problems: list[Problem] = field(default_factory=list)
    places: dict[str, Origin] = field(default_factory=dict)
    leaves: dict[str, Origin] = field(default_factory=dict)
    secrets: set[str] = field(default_factory=set)

    def decode(self, node: Node, shape: Shape, path: str) -> Any:
        """The value of a node, or FAILED with at least one problem told."""
        self.places.setdefault(path, node.origin)
        if isinstance(shape, Kind):
            return self._scalar(node, shape, path)
        if isinstance(shape, Many):
            return self._many(node, shape, path)
        if isinstance(shape, Keyed):
            return self._keyed(node, shape, path)
        return self._record(node, shape, path)

    def _fail(self, origin: Origin, message: str) -> Any:
        self.problems.append(origin.error(message))
        return FAILED

    def _scalar(self, node: Node, kind: Kind, path: str) -> Any:
        if not isinstance(node, Scalar):
            found = "a list" if isinstance(node, Items) else "a mapping"
            return self._fail(node.origin, f"`{_last(path)}` is one value ({kind.name}), not {found}")
        self.leaves[path] = node.origin
        if node.secret or kind.secret:
            self.secrets.add(path)
        try:
            return kind.parse(node.text)
        except ValueError as error:
            hidden = node.secret or kind.secret
            return self._fail(node.origin, f"the secret value is not a {kind.name}" if hidden else str(error))

    def _many(self, node: Node, shape: Many, path: str) -> Any:
        if not isinstance(node, Items):
            if not shape.one:
                return self._fail(node.origin, f"`{_last(path)}` is a list; begin each item with `- `")
            node = Items((node,), node.origin)
        values = []
        unnamed = _default_name(shape.item)
        for index, item in enumerate(node.items):
            if is_null(item):
                self._fail(item.origin, "an empty list item")
                continue
            value = self.decode(item, shape.item, f"{path}.{_label(item, index, unnamed)}")
            if value is not FAILED:
                values.append(value)
        if isinstance(shape.item, Kind):
            for index in range(len(node.items)):
                self.leaves.pop(f"{path}.{index}", None)
            self.leaves[path] = node.origin
        return tuple(values)

    def _keyed(self, node: Node, shape: Keyed, path: str) -> Any:
        if not isinstance(node, Table):
            return self._fail(node.origin, f"`{_last(path)}` is a mapping; write `name: value`")
        values = {}
        for text, entry in node.entries.items():
            try:
                key = shape.key.parse(text)
            except ValueError as error:
                self._fail(entry.origin, str(error))
                continue
            if key in values:
                self._fail(entry.origin, f"`{text}` is written twice in another case")
            self.places.setdefault(f"{path}.{key}", entry.origin)
            empty = Scalar("", entry.value.origin, '"') if isinstance(shape.item, Kind) else Table({}, entry.origin)
            value = self.decode(empty if is_null(entry.value) else entry.value, shape.item, f"{path}.{key}")
            if value is not FAILED:
                values[key] = value
        return MappingProxyType(values)

    def _record(self, node: Node, record: Record, path: str) -> Any:
        keys = {key.name: key for key in keys_of(record.type)}
        if record.short and not isinstance(node, Table):
            node = Table({record.short: Entry(node.origin, node)}, node.origin)
        if not isinstance(node, Table):
            return self._fail(node.origin, f"{_called(path)} is a mapping with the keys {', '.join(keys)}")
        for text, entry in node.entries.items():
            if text not in keys:
                self._fail(entry.origin, f"unknown key `{text}`{_meant(text, keys)}")
        named = name_field(record.type)
        fields: dict[str, Any] = {named: _last(path)} if named else {}
        policies: dict[str, object] = {}
        doubtful: set[str] = set()
        for key in keys.values():
            told = len(self.problems)
            value = self._key(node, key, path)
            if any(problem.severity == "error" for problem in self.problems[told:]):
                doubtful.add(key.name)
            if not key.policy:
                fields[key.field] = value
            elif value is not None and value is not FAILED:
                policies[key.name] = value
        if any(key.policy for key in keys.values()):
            fields["policies"] = MappingProxyType(policies)
        return self._built(node, record.type, fields, doubtful, path)

    def _key(self, node: Table, key: Key, path: str) -> Any:
        where = f"{path}.{key.name}" if path else key.name
        entry = node.entries.get(key.name)
        if entry is None or is_null(entry.value):
            if key.required:
                return self._fail(entry.value.origin if entry else node.origin, f"`{key.name}` is missing")
            if entry is not None and key.nullable:
                self.leaves[where] = self.places[where] = entry.value.origin
                return None
            return self._default(key, where)
        if key.policy and _says_off(entry.value):
            self._fail(entry.value.origin, f"write `{key.name}: null` to switch it off")
            return key.default
        value = self.decode(entry.value, key.shape, where)
        if value is FAILED:
            return FAILED if key.required else key.default
        if key.off and value == 0:
            value = None
        self._warn_of_idle_shadow(entry, key, value)
        return value

    def _default(self, key: Key, where: str) -> Any:
        if isinstance(key.shape, Record) and key.default is not None:
            return self.decode(Table({}, DEFAULT), key.shape, where)
        if key.default is not None or not key.policy:
            self.leaves[where] = DEFAULT
        return key.default

    def _warn_of_idle_shadow(self, entry: Entry, key: Key, value: Any) -> None:
        if key.policy and not key.shadows and getattr(value, "mode", "enforce") == "shadow":
            inner = entry.value.entries.get("mode") if isinstance(entry.value, Table) else None
            where = inner.value.origin if inner else entry.origin
            said = f"`mode: shadow` switches `{key.name}` off: it has nothing to count"
            self.problems.append(where.warning(said))

    def _built(self, node: Table, record: type, fields: dict[str, Any], doubtful: set[str], path: str) -> Any:
        if FAILED in fields.values():
            return FAILED
        try:
            return record(**fields)
        except Invalid as invalid:
            for name, sentence in invalid.faults:
                entry = node.entries.get(name)
                # What is said of a key that nobody wrote may only follow from one that could not be read.
                if name not in doubtful and (entry is not None or not doubtful):
                    self._fail(entry.value.origin if entry else node.origin, f"`{name}` {sentence}")
            return FAILED


def _last(path: str) -> str:
    return path.rpartition(".")[2]


def _called(path: str) -> str:
    """What a mapping is called in a message; an item of a list that has no name is called by its list."""
    above, _, last = path.rpartition(".")
    return f"an item of `{_last(above)}`" if last.isdigit() else f"`{last}`"


def _says_off(node: Node) -> bool:
    return isinstance(node, Scalar) and not node.style and node.text.lower() in _OFF


def _meant(text: str, keys: Mapping[str, Key]) -> str:
    """What a key that is not there was meant to be: one that stands elsewhere, or one that is written alike."""
    within = [
        name
        for name, key in keys.items()
        if isinstance(key.shape, Record) and any(text == inner.name for inner in keys_of(key.shape.type))
    ]
    own = [name for name in within if not keys[name].policy]
    if own or len(within) == 1:
        return f"; there is one in `{(own or within)[0]}`"
    elsewhere = [entry for entry in CATALOGUE if entry.key == text] if any(key.policy for key in keys.values()) else []
    if elsewhere:
        return f"; it is a policy of {'an' if elsewhere[0].scope == 'upstream' else 'a'} {elsewhere[0].scope}"
    return nearest(text, keys)


def _label(item: Node, index: int, unnamed: str | None) -> str:
    """Items are called by their name where they have one, so that a path survives a reordering."""
    name = item.get("name") if isinstance(item, Table) else None
    return name.text if isinstance(name, Scalar) else unnamed or str(index)


def _default_name(shape: Shape) -> str | None:
    keys = keys_of(shape.type) if isinstance(shape, Record) else ()
    return next((key.default for key in keys if key.name == "name"), None)
