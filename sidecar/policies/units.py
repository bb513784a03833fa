"""The written forms of values: what `250ms`, `64KiB`, `600/m` or `200-399` mean, and how they are written back.

A Kind is one written form. A Spec names it in an annotation (`timeout: Seconds`), and decoding, the JSON Schema
and `explain` all read it there: one table, no second truth. Knows no YAML and no file.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """One written form: `parse` raises ValueError with an operator's sentence, `show` is its inverse."""

    name: str
    parse: Callable[[str], Any]
    json: dict[str, Any]
    show: Callable[[Any], object] = str
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Off:
    """Marks a key whose zero switches it off: zero is decoded to None."""


@dataclass(frozen=True, slots=True)
class OneOrMany:
    """Marks a list that may be written as its only item."""


class Invalid(ValueError):  # noqa: N818 - reads as a verdict: `raise Invalid(...)`
    """A Spec's own complaints. `faults` pairs the key concerned with the sentence about it."""

    def __init__(self, faults: tuple[tuple[str, str], ...]) -> None:
        self.faults = faults
        super().__init__("; ".join(f"`{key}` {sentence}" for key, sentence in faults))


def demand(*rules: tuple[str, bool, str]) -> None:
    """Raise Invalid naming every `(key, holds, sentence)` that does not hold."""
    faults = tuple((key, sentence) for key, holds, sentence in rules if not holds)
    if faults:
        raise Invalid(faults)


_NUMBER = r"([0-9]{1,15}(?:\.[0-9]{1,15})?)"
_DURATION = re.compile(_NUMBER + r"\s?(us|ms|s|m|h|d)")
_SECONDS_IN = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_PARTS_OF_SECOND = {"ms": 1e3, "us": 1e6}
_MAX_SECONDS = 10 * 365 * 86400.0


def parse_duration(text: str) -> float:
    """Seconds of `250ms`, `2s`, `5m`, `1h`, `1d` or a bare 0."""
    if text == "0":
        return 0.0
    match = _DURATION.fullmatch(text)
    if match is None:
        if re.fullmatch(_NUMBER, text):
            raise ValueError(f"`{text}` has no unit; write `{text}s` for seconds or `{text}ms` for milliseconds")
        raise ValueError(f"`{text}` is not a duration; write it as 250ms, 2s, 5m or 1h")
    number, unit = float(match[1]), match[2]
    seconds = number / _PARTS_OF_SECOND[unit] if unit in _PARTS_OF_SECOND else number * _SECONDS_IN[unit]
    if seconds > _MAX_SECONDS:
        raise ValueError(f"`{text}` is longer than ten years")
    return seconds


def show_duration(seconds: float) -> str:
    """The shortest written form that reads back as exactly these seconds."""
    if seconds == 0:
        return "0s"
    for unit, size in _SECONDS_IN.items():
        if seconds % size == 0:
            return f"{round(seconds / size)}{unit}"
    for unit, parts in _PARTS_OF_SECOND.items():
        count = round(seconds * parts)
        if seconds < 1 and count and count / parts == seconds:
            return f"{count}{unit}"
    return f"{_plain(seconds)}s"


_SIZE = re.compile(_NUMBER + r"\s?(B|KiB|MiB|GiB)")
_MAX_SIZE = 1 << 60  # an exbibyte: every sum of two still is a C integer
_BYTES_IN = {"GiB": 1 << 30, "MiB": 1 << 20, "KiB": 1 << 10, "B": 1}


def parse_size(text: str) -> int:
    """Bytes of `512B`, `64KiB`, `10MiB`, `1GiB` or a bare number of bytes."""
    if re.fullmatch(r"[0-9]{1,15}", text):
        return int(text)
    match = _SIZE.fullmatch(text)
    if match is None:
        decimal = re.fullmatch(r"([0-9]+)\s?([kKmMgG])[bB]?", text)
        hint = f"did you mean `{decimal[1]}{decimal[2].upper()}iB`?" if decimal else "write it as 512B, 64KiB or 10MiB"
        raise ValueError(f"`{text}` is not a size; {hint}")
    size = Decimal(match[1]) * _BYTES_IN[match[2]]
    if size > _MAX_SIZE:
        raise ValueError(f"`{text}` is more than there is; the largest size is {_MAX_SIZE >> 30}GiB")
    if size != int(size):
        raise ValueError(f"`{text}` is not a whole number of bytes")
    return int(size)


def show_size(size: int) -> str:
    """The largest unit that divides the size, as in `64KiB`."""
    for unit, factor in _BYTES_IN.items():
        if size and size % factor == 0:
            return f"{size // factor}{unit}"
    return "0B"


_RATE = re.compile(_NUMBER + r"\s?/\s?(s|m|h|d)")


def parse_rate(text: str) -> float:
    """Events a second of `10/s`, `600/m`, `1000/h` or `50/d`."""
    match = _RATE.fullmatch(text)
    if match is None:
        hint = f"write `{text}/s`" if re.fullmatch(_NUMBER, text) else "write it as 10/s, 600/m or 1000/h"
        raise ValueError(f"`{text}` is not a rate; {hint}")
    return float(match[1]) / _SECONDS_IN[match[2]]


def show_rate(rate: float) -> str:
    """The written form of a rate, in the first of s, m, h, d that makes it a whole number."""
    for unit in ("s", "m", "h", "d"):
        count = round(rate * _SECONDS_IN[unit])
        if count and count / _SECONDS_IN[unit] == rate:
            return f"{count}/{unit}"
    return f"{_plain(rate)}/s"


def _plain(number: float) -> str:
    return format(Decimal(repr(number)), "f")


def parse_ratio(text: str) -> float:
    """A number from 0 to 1; a percentage is refused with the number it would be."""
    if re.fullmatch(_NUMBER + "%", text):
        raise ValueError(f"`{text}` is not a ratio; write `{_plain(float(text[:-1]) / 100)}`")
    number = parse_number(text)
    if number > 1:
        raise ValueError(f"`{text}` is not a ratio; a ratio is a number from 0 to 1")
    return number


def parse_number(text: str) -> float:
    """A number, not negative."""
    if not re.fullmatch(_NUMBER, text):
        raise ValueError(f"`{text}` is not a number of at least 0")
    return float(text)


def show_number(number: float) -> object:
    """A whole number without its `.0`."""
    return int(number) if math.isfinite(number) and number == int(number) else number


def parse_count(text: str) -> int:
    """A whole number, not negative."""
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise ValueError(f"`{text}` is not a whole number of at least 0")
    return int(text)


def parse_flag(text: str) -> bool:
    """`true` or `false`, nothing else: YAML's yes, no, on and off have surprised too many."""
    if text not in ("true", "false"):
        truth = {"yes": "true", "on": "true", "no": "false", "off": "false"}.get(text.lower(), text.lower())
        hint = f"; did you mean `{truth}`?" if truth in ("true", "false") else ""
        raise ValueError(f"`{text}` is neither true nor false{hint}")
    return text == "true"


_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")


def parse_field_name(text: str) -> str:
    """A header field name (RFC 9110 5.1), in lower case."""
    if not _TOKEN.fullmatch(text):
        raise ValueError(f"`{text}` is not a header name")
    return text.lower()


def parse_field_value(text: str) -> str:
    """A header field value: no CR, LF or NUL, which would let a rule split a message."""
    if any((ord(mark) < 32 and mark != "\t") or ord(mark) == 127 for mark in text):
        raise ValueError("a header value holds no line break and no control character")
    if not all(ord(mark) < 256 for mark in text):
        raise ValueError(f"`{text}` holds a character outside Latin-1, which a header cannot carry")
    return text.strip(" \t")


def parse_method(text: str) -> str:
    """A request method, in upper case as every registered one is."""
    if not _TOKEN.fullmatch(text):
        raise ValueError(f"`{text}` is not a method")
    return text.upper()


_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def parse_name(text: str) -> str:
    """The name of a rule: a metric label, a step of a dotted path."""
    if not _NAME.fullmatch(text):
        raise ValueError(f"`{text}` is not a name; use up to 64 letters, digits, `-` and `_`")
    return text


def parse_status_range(text: str) -> tuple[int, int]:
    """The first and last status of `200`, `200-399` or `5xx`."""
    if re.fullmatch(r"[1-5]xx", text):
        return int(text[0]) * 100, int(text[0]) * 100 + 99
    match = re.fullmatch(r"([1-5][0-9][0-9])(?:\s?-\s?([1-5][0-9][0-9]))?", text)
    if match is None or int(match[2] or match[1]) < int(match[1]):
        raise ValueError(f"`{text}` is not a status or a range of them; write it as 200, 200-399 or 5xx")
    return int(match[1]), int(match[2] or match[1])


def show_status_range(span: tuple[int, int]) -> str:
    """`200-399`, or `200` for a range of one."""
    return str(span[0]) if span[0] == span[1] else f"{span[0]}-{span[1]}"


def parse_status(text: str) -> int:
    """A final status that a reply may carry: 200 to 599."""
    if not re.fullmatch(r"[2-5][0-9][0-9]", text):
        raise ValueError(f"`{text}` is not a status from 200 to 599")
    return int(text)


def parse_key_source(text: str) -> str:
    """What of a request picks a bucket or an endpoint: `client_ip`, `header:NAME`, `cookie:NAME` or `path:VARIABLE`."""
    source, colon, name = text.partition(":")
    if text == "client_ip":
        return text
    if source not in ("header", "cookie", "path") or not colon or not _TOKEN.fullmatch(name):
        raise ValueError(f"`{text}` is not a key; write client_ip, header:NAME, cookie:NAME or path:VARIABLE")
    return f"header:{name.lower()}" if source == "header" else text


def parse_text(text: str) -> str:
    """Any text."""
    return text


def _pattern(name: str, parse: Callable[[str], Any], pattern: str, show: Callable[[Any], object] = str) -> Kind:
    return Kind(name, parse, {"type": "string", "pattern": pattern}, show)


def _number(name: str, parse: Callable[[str], Any], show: Callable[[Any], object], **limits: object) -> Kind:
    return Kind(name, parse, {"type": "integer" if parse is parse_count else "number", "minimum": 0, **limits}, show)


def as_it_is(value: object) -> object:
    """Shows a value that is written as what it is."""
    return value


TEXT = Kind("text", parse_text, {"type": "string"})
SECRET = Kind("secret", parse_text, {"type": "string"}, secret=True)
FLAG = Kind("true or false", parse_flag, {"type": "boolean"}, as_it_is)
COUNT = _number("whole number", parse_count, as_it_is)
NUMBER = _number("number", parse_number, show_number)
RATIO = _number("ratio", parse_ratio, show_number, maximum=1)
DURATION = Kind(
    "duration",
    parse_duration,
    {"type": ["string", "integer"], "pattern": r"^(0|[0-9]+(\.[0-9]+)? ?(us|ms|s|m|h|d))$", "maximum": 0, "minimum": 0},
    show_duration,
)
SIZE = Kind(
    "size",
    parse_size,
    {"type": ["string", "integer"], "pattern": r"^[0-9]+(\.[0-9]+)? ?(B|KiB|MiB|GiB)?$", "minimum": 0},
    show_size,
)
RATE = _pattern("rate", parse_rate, r"^[0-9]+(\.[0-9]+)? ?/ ?[smhd]$", show_rate)
NAME = _pattern("name", parse_name, r"^[A-Za-z0-9_-]{1,64}$")
METHOD = _pattern("method", parse_method, r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")
FIELD_NAME = _pattern("header name", parse_field_name, r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")
FIELD_VALUE = Kind("header value", parse_field_value, {"type": "string"})
SECRET_FIELD_VALUE = Kind("header value", parse_field_value, {"type": "string"}, secret=True)
KEY_SOURCE = _pattern("key", parse_key_source, r"^(client_ip|(header|cookie|path):.+)$")
STATUS = Kind("status", parse_status, {"type": "integer", "minimum": 200, "maximum": 599}, as_it_is)
STATUS_RANGE = Kind(
    "status range",
    parse_status_range,
    {
        "type": ["string", "integer"],
        "pattern": r"^[1-5]([0-9][0-9]|xx)( ?- ?[1-5][0-9][0-9])?$",
        "minimum": 100,
        "maximum": 599,
    },
    show_status_range,
)

Seconds = Annotated[float, DURATION]
Bytes = Annotated[int, SIZE]
PerSecond = Annotated[float, RATE]
Ratio = Annotated[float, RATIO]
Count = Annotated[int, COUNT]
Number = Annotated[float, NUMBER]
Name = Annotated[str, NAME]
Method = Annotated[str, METHOD]
FieldName = Annotated[str, FIELD_NAME]
FieldValue = Annotated[str, FIELD_VALUE]
KeySource = Annotated[str, KEY_SOURCE]
Status = Annotated[int, STATUS]
StatusRange = Annotated[tuple[int, int], STATUS_RANGE]
Secret = Annotated[str, SECRET]
SecretFieldValue = Annotated[str, SECRET_FIELD_VALUE]
Text = Annotated[str, TEXT]
Mode = Annotated[Literal["enforce", "shadow"], "enforce acts; shadow only counts what it would have done"]
