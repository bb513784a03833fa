"""The JSON Schema (draft 2020-12) of the rules file, for editors; made from the key tables that decoding uses."""

from __future__ import annotations

from typing import Any

from sidecar.policies.units import Kind
from sidecar.rules.effective import describe
from sidecar.rules.keys import Key, Keyed, Many, Record, Shape, keys_of
from sidecar.rules.schema import RuleSet

_REFERENCE = {"type": "string", "pattern": r"\$\{"}


def json_schema() -> dict[str, Any]:
    """The whole schema. Kinds and records are definitions, each written once."""
    definitions: dict[str, Any] = {}
    top = _record(Record(RuleSet, None), definitions)
    # The command line can give what these say.
    body = {**definitions.pop(top), "required": []}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Sidecar rules",
        **body,
        "$defs": dict(sorted(definitions.items())),
    }


def _record(record: Record, definitions: dict[str, Any]) -> str:
    name = record.type.__name__
    if name not in definitions:
        definitions[name] = {}
        keys = keys_of(record.type)
        definitions[name] = {
            "type": "object",
            "description": (record.type.__doc__ or "").strip(),
            "properties": {key.name: _property(key, definitions) for key in keys},
            "required": [key.name for key in keys if key.required],
            "additionalProperties": False,
        }
    return name


def _property(key: Key, definitions: dict[str, Any]) -> dict[str, Any]:
    shape = _shape(key.shape, definitions)
    if key.nullable or not key.required:
        shape = {"anyOf": [shape, {"type": "null"}]}
    made: dict[str, Any] = {"description": key.doc, **shape}
    default = default_of(key)
    return made if default is None else {**made, "default": default}


def default_of(key: Key) -> Any:
    """The default in the words of the file; None when there is none to name."""
    if key.default is None:
        return key.shape.show(0) if key.off and isinstance(key.shape, Kind) else None
    if isinstance(key.shape, Kind):
        return key.shape.show(key.default)
    if isinstance(key.shape, Many) and isinstance(key.shape.item, Kind):
        return [key.shape.item.show(item) for item in key.default]
    return describe(key.default, key.shape.type) if isinstance(key.shape, Record) and not key.required else None


def _shape(shape: Shape, definitions: dict[str, Any]) -> dict[str, Any]:
    if isinstance(shape, Kind):
        return _kind(shape, definitions)
    if isinstance(shape, Many):
        item = _shape(shape.item, definitions)
        many = {"type": "array", "items": item}
        return {"anyOf": [item, many]} if shape.one else many
    if isinstance(shape, Keyed):
        return {"type": "object", "additionalProperties": _shape(shape.item, definitions)}
    whole = {"$ref": f"#/$defs/{_record(shape, definitions)}"}
    if shape.short is None:
        return whole
    short = next(key for key in keys_of(shape.type) if key.name == shape.short)
    bare = {**whole, "description": "or only its " + shape.short}
    return {"anyOf": [_shape(short.shape, definitions), bare]}


def _kind(kind: Kind, definitions: dict[str, Any]) -> dict[str, Any]:
    if kind.name == "choice":
        return {"anyOf": [kind.json, _REFERENCE]}
    name = kind.name.replace(" ", "_").replace(",", "")
    definitions[name] = {"anyOf": [kind.json, _REFERENCE]}
    return {"$ref": f"#/$defs/{name}"}
