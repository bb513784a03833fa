"""A look's values as indented lines, for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence


def outline(told: Mapping[str, object]) -> str:
    """Every value on a line of its own under its key; lists of values stand below each other."""
    return "".join(f"{line}\n" for line in _mapping(told))


def _mapping(told: Mapping[str, object]) -> Iterator[str]:
    for key, value in told.items():
        if _is_nested(value):
            yield f"{key}:"
            yield from (f"  {line}" for line in _lines(value))
        else:
            yield f"{key}: {_word(value)}"


def _lines(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield from _mapping(value)
    elif isinstance(value, Sequence):
        for one in value:
            if isinstance(one, Mapping):
                yield from (("- " if not number else "  ") + line for number, line in enumerate(_mapping(one)))
            else:
                yield _word(one)


def _is_nested(value: object) -> bool:
    if isinstance(value, str) or not value or not isinstance(value, Mapping | Sequence):
        return False
    return isinstance(value, Mapping) or not all(isinstance(one, int | float) for one in value)


def _word(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return " ".join(map(_word, value)) or "none"
    return "none" if isinstance(value, Mapping) else str(value)
