"""Values of a manifest and how they are written as YAML that kubectl reads back as the same.

kubectl's reader follows YAML 1.1 in part (`on`, `0755`) and 1.2 in part (`0o7`, `1e3`), so a text is written plain only
where no reader could take it for anything else. A number that is no plain decimal keeps its spelling: `0644` is a file
mode that people look for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Value = Any
"""None, bool, int, float (JSON only), str, Verbatim, or a list or a dict of these with texts as keys."""

_SHORT = 64
_TRUE = frozenset(("true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y"))
_FALSE = frozenset(("false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N"))
_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_NUMBER = re.compile(
    r"[-+]?(?:0[bBoOxX][0-9a-fA-F_]+|[0-9][0-9_]*|(?:\.[0-9][0-9_]*|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?"
    r"|\.(?:inf|Inf|INF))|\.(?:nan|NaN|NAN)"
)
_PLAIN = re.compile(
    r"[1-9][0-9]{0,8}(?:m|s|h|d|[KMGT]i)|-{0,2}[A-Za-z/_][A-Za-z0-9_./@%+=-]*(?:[ :][A-Za-z0-9_./@%+=-]+)*"
)
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]")
_PRINTABLE = re.compile(r"[ -~]*")
_LITERAL = re.compile(r"(?![\s#])[^\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]*(?<!\n)\n?")


@dataclass(frozen=True, slots=True)
class Verbatim:
    """A plain scalar that is no text and is written as it was: `0644`, `1.50`, `1e3`."""

    text: str


def understood(text: str) -> Value:
    """What kubectl takes a plain scalar for."""
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _DECIMAL.fullmatch(text):
        return int(text)
    return Verbatim(text) if _NUMBER.fullmatch(text) else text


def copied(value: Value) -> Value:
    """The same value, of which nothing is shared."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    return [copied(item) for item in value] if isinstance(value, list) else value


def scalar(value: Value) -> str:
    """One value on one line, wherever in a document. An empty collection is one, too."""
    if isinstance(value, str):
        known = value in _TRUE or value in _FALSE or value in _NULL
        return value if _PLAIN.fullmatch(value) and not known else _quoted(value)
    if isinstance(value, Verbatim):
        return value.text
    return json.dumps(value)


def flow(value: Value) -> str:
    """A value on one line, as in `{name: http, drop: [ALL]}`."""
    if isinstance(value, Mapping) and value:
        return "{" + ", ".join(f"{scalar(key)}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list) and value:
        return "[" + ", ".join(map(flow, value)) + "]"
    return scalar(value)


def block(value: Value, indent: int = 0) -> str:
    """A value in block style, each line indented by so many spaces and ended by a line break."""
    pad = " " * indent
    if isinstance(value, Mapping) and value:
        return "".join(f"{pad}{scalar(key)}:{entry_of(item, indent)}" for key, item in value.items())
    if isinstance(value, list) and value:
        return "".join(item_of(item, indent) for item in value)
    return f"{pad}{scalar(value)}\n"


def item_of(value: Value, indent: int) -> str:
    """A list's item in block style, its dash so far to the right."""
    pad = " " * indent
    if isinstance(value, str):
        return f"{pad}-{_text(value, indent)}"
    if isinstance(value, dict | list) and _is_short(value):
        return f"{pad}- {flow(value)}\n"
    return f"{pad}- {block(value, indent + 2)[indent + 2 :]}"


def entry_of(value: Value, indent: int) -> str:
    """What follows the colon of a key that stands so far to the right, up to the end of the last line."""
    if isinstance(value, str):
        return _text(value, indent)
    if not isinstance(value, dict | list) or _is_short(value):
        return f" {flow(value)}\n"
    return f"\n{block(value, indent + 2)}"


def _is_short(value: Value) -> bool:
    """Whether a collection reads well on one line: nothing in it, a few words, or one or two settings."""
    if isinstance(value, dict):
        held = [item for one in value.values() for item in (one if isinstance(one, list) else [one])]
        most = 2
    else:
        held, most = value, len(value)
    flat = not any(isinstance(item, dict | list) or (isinstance(item, str) and "\n" in item) for item in held)
    return len(value) <= most and flat and len(flow(value)) <= _SHORT


def _text(value: str, indent: int) -> str:
    """A text after its colon or dash; with several lines as a block, where YAML can say it so."""
    if "\n" not in value.rstrip("\n") or not _LITERAL.fullmatch(value):
        return f" {scalar(value)}\n"
    pad = " " * (indent + 2)
    lines = "".join(f"{pad}{line}\n" if line else "\n" for line in value.removesuffix("\n").split("\n"))
    return f" |{'' if value.endswith(chr(10)) else '-'}\n{lines}"


def _quoted(text: str) -> str:
    if '"' in text and _PRINTABLE.fullmatch(text):
        return "'" + text.replace("'", "''") + "'"
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text, ensure_ascii=False))
