"""The key tables: for each record of the rules, its keys, their written forms, defaults and sentences.

Made once from the annotations of the dataclasses in schema.py and policies/. Decoding, the JSON Schema, the effective
rules and the reference all walk these tables, so none of them can disagree with another.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from sidecar.policies.catalogue import entries
from sidecar.policies.units import FLAG, TEXT, Kind, Off, OneOrMany
from sidecar.rules.marks import FromKey, Policies, Written
from sidecar.rules.nearest import nearest


@dataclass(frozen=True, slots=True)
class Record:
    """A mapping with known keys. `short` is the key that a bare value stands for."""

    type: type
    short: str | None


@dataclass(frozen=True, slots=True)
class Many:
    """A list; `one` when a single item may be written without it."""

    item: Shape
    one: bool = False


@dataclass(frozen=True, slots=True)
class Keyed:
    """A mapping with free keys. The values are scalars, or records that take their key as a field."""

    key: Kind
    item: Shape


Shape = Kind | Record | Many | Keyed


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a record. `default` is what holds without it; `required` when nothing does.

    `shadows`: of a policy, whether its `mode: shadow` counts what it would have done. `field`: what the record calls
    it.
    """

    name: str
    shape: Shape
    doc: str
    default: Any = None
    required: bool = False
    nullable: bool = False
    off: bool = False
    policy: bool = False
    shadows: bool = False
    field: str = ""


@cache
def keys_of(record: type) -> tuple[Key, ...]:
    """The keys of a record, in order; policies come after its own."""
    hints = get_type_hints(record, include_extras=True)
    own: list[Key] = []
    policies: list[Key] = []
    for field in dataclasses.fields(record):
        hint, marks = _unwrapped(hints[field.name])
        scope = next((mark for mark in marks if isinstance(mark, Policies)), None)
        if scope is not None:
            policies.extend(_policy_keys(scope))
        elif not any(isinstance(mark, FromKey) for mark in marks):
            own.append(_key(field, hint, marks))
    return (*own, *policies)


@cache
def name_field(record: type) -> str | None:
    """The field that takes the key a record is written under, if it has one."""
    hints = get_type_hints(record, include_extras=True)
    return next(
        (name for name, hint in hints.items() if any(isinstance(m, FromKey) for m in _unwrapped(hint)[1])), None
    )


def _key(field: dataclasses.Field[Any], hint: Any, marks: tuple[Any, ...]) -> Key:
    default = field.default
    if field.default_factory is not dataclasses.MISSING:
        default = field.default_factory()
    required = default is dataclasses.MISSING
    inner, nullable = _without_none(hint)
    return Key(
        name=next((mark.key for mark in marks if isinstance(mark, Written)), field.name),
        field=field.name,
        shape=_shape(inner, marks),
        doc=next((mark for mark in marks if isinstance(mark, str)), ""),
        default=None if required else default,
        required=required,
        nullable=nullable,
        off=any(isinstance(mark, Off) for mark in marks),
    )


def _policy_keys(scope: Policies) -> list[Key]:
    found = []
    for entry in entries(scope.scope):
        record = _record(entry.spec)
        found.append(
            Key(
                name=entry.key,
                shape=Many(record) if entry.many else record,
                doc=(entry.spec.__doc__ or "").strip().split("\n")[0],
                default=entry.spec() if entry.by_default and scope.given else None,
                nullable=True,
                policy=True,
                shadows=entry.shadows,
            )
        )
    return found


def _unwrapped(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    if get_origin(hint) is Annotated:
        return hint.__origin__, hint.__metadata__
    return hint, ()


def _without_none(hint: Any) -> tuple[Any, bool]:
    if get_origin(hint) in (Union, types.UnionType):
        others = [arm for arm in get_args(hint) if arm is not type(None)]
        if len(others) < len(get_args(hint)):
            return (others[0], True) if len(others) == 1 else (Union[tuple(others)], True)  # noqa: UP007
    return hint, False


def _shape(hint: Any, marks: tuple[Any, ...]) -> Shape:
    inner, more = _unwrapped(hint)
    kind = next((mark for mark in (*more, *marks) if isinstance(mark, Kind)), None)
    if kind is not None:
        return kind
    if inner is bool:
        return FLAG
    if inner is str:
        return TEXT
    origin, arguments = get_origin(inner), get_args(inner)
    if origin is Literal:
        return _choice(arguments)
    if origin is tuple:
        return Many(_shape(arguments[0], ()), any(isinstance(mark, OneOrMany) for mark in marks))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _keyed(arguments)
    if dataclasses.is_dataclass(inner) and isinstance(inner, type):
        return _record(inner)
    raise TypeError(f"no written form for {hint!r}")


def _keyed(arguments: tuple[Any, ...]) -> Keyed:
    item = _shape(arguments[1], ())
    named = name_field(item.type) if isinstance(item, Record) else None
    if isinstance(item, Record) and named:
        key = _shape(get_type_hints(item.type, include_extras=True)[named], ())
    else:
        key = _shape(arguments[0], ())
    if not isinstance(key, Kind):
        raise TypeError(f"no written form for the keys {arguments[0]!r}")
    return Keyed(key, item)


def _record(record: type) -> Record:
    return Record(record, getattr(record, "SHORT", None))


@cache
def _choice(values: tuple[Any, ...]) -> Kind:
    words = {str(value): value for value in values}

    def parse(text: str) -> Any:
        if text not in words:
            meant = nearest(text, words)
            raise ValueError(f"`{text}` is not one of {', '.join(words)}{meant}")
        return words[text]

    return Kind("choice", parse, {"enum": list(values)}, lambda value: value)
