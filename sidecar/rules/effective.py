"""The rules in effect, written back in the words of the file: for `GET /config`, `explain` and the digest."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from sidecar.policies.units import Kind
from sidecar.rules.byte_routes import without_http
from sidecar.rules.keys import Key, Keyed, Many, Record, Shape, keys_of
from sidecar.rules.schema import RouteRule, RuleSet

HIDDEN = "***"


def effective(rules: RuleSet, secrets: Collection[str] = ()) -> dict[str, Any]:
    """Everything in effect, as plain values that could stand in a file; `secrets` are paths to hide.

    `defaults` is left out, because it is merged into the routes, and what is about HTTP where none is spoken.
    """
    whole: dict[str, Any] = _record(rules, Record(RuleSet, None), "", frozenset(secrets))
    del whole["defaults"]
    without_http(whole)
    return whole


def describe(value: Any, record: type, path: str = "", secrets: Collection[str] = ()) -> dict[str, Any]:
    """One record (a rule or a Spec) in the words of the file; `path` is where it stands."""
    return _record(value, Record(record, None), path, frozenset(secrets))


def _plain(value: Any, shape: Shape, path: str, secrets: frozenset[str]) -> Any:
    if path in secrets:
        return HIDDEN
    if isinstance(shape, Kind):
        return shape.show(value)
    if isinstance(shape, Many):
        return [_plain(item, shape.item, f"{path}.{_label(item, index)}", secrets) for index, item in enumerate(value)]
    if isinstance(shape, Keyed):
        return {key: _plain(item, shape.item, f"{path}.{key}", secrets) for key, item in value.items()}
    return _record(value, shape, path, secrets)


def _record(value: Any, shape: Record, path: str, secrets: frozenset[str]) -> dict[str, Any]:
    result = {}
    silent = value.silent if isinstance(value, RouteRule) else ()
    for key in keys_of(shape.type):
        if key.name in silent:
            continue
        where = f"{path}.{key.name}" if path else key.name
        found = value.policies.get(key.name) if key.policy else getattr(value, key.name)
        if found is not None:
            result[key.name] = _plain(found, key.shape, where, secrets)
        elif key.default is not None:
            result[key.name] = _absent(key)
    return result


def _absent(key: Key) -> Any:
    return key.shape.show(0) if key.off and isinstance(key.shape, Kind) else None


def _label(item: Any, index: int) -> str:
    name = getattr(item, "name", None)
    return name if isinstance(name, str) else str(index)


def flattened(tree: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """The leaves of what `effective` returns, by the dotted paths that provenance uses."""
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        where = f"{path}.{key}" if path else key
        if isinstance(value, dict):
            leaves.update(flattened(value, where))
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            items = {str(item.get("name", index)): item for index, item in enumerate(value)}
            leaves.update(flattened(items, where))
        else:
            leaves[where] = value
    return leaves


def notation(value: object) -> str:
    """A value in the file's notation, on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {notation(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(notation, value)) + "]"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    return text if text.isprintable() and text else json.dumps(text, ensure_ascii=False)
