"""What changed between two sets of rules, in the words of the file.

Compares what is in effect, so a comment, another order of keys or a default that was written out is no change, and a
change of `defaults` shows at each route that inherits it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from sidecar.rules.credential_files import credential_files
from sidecar.rules.effective import HIDDEN, effective, notation
from sidecar.rules.load import Loaded

# What tells an item of a list from its neighbours wherever it stands: a limit's name, an endpoint's URL, a share's
# upstream.
_IDENTITIES = ("name", "url", "upstream")
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Change:
    """One change. `path` is dotted, with the names of list items; `before` and `after` are as they stand in a file."""

    path: str
    before: str = ""
    after: str = ""
    kind: Literal["changed", "added", "removed", "order changed"] = "changed"

    def __str__(self) -> str:
        if self.kind != "changed":
            return f"{self.path}: {self.kind}"
        if self.before == self.after:  # a secret; what is too long to be shown whole may look so as well
            return f"{self.path}: {self.after} changed"
        return f"{self.path}: {self.before} -> {self.after}"


class _Value(NamedTuple):
    """A value as it is, to compare, and as it may be shown."""

    real: Any
    told: Any

    def under(self, key: str) -> _Value:
        """What stands under a key; nothing where the key is missing."""
        return _Value(self.real.get(key), self.told.get(key))


_NOTHING = _Value(None, None)


def difference(before: Loaded, after: Loaded) -> tuple[Change, ...]:
    """Every change from one to the other, in the order of the file."""
    one, two = (_Value(effective(each.rules), effective(each.rules, each.secrets)) for each in (before, after))
    return (*_changes("", one, two), *_changed_files(before, after))


def _changed_files(before: Loaded, after: Loaded) -> Iterator[Change]:
    """Certificates and keys that are others now in the same files."""
    files = dict(credential_files(before.rules))
    for key, path in credential_files(after.rules):
        if files.get(key) == path and before.credentials.get(path) != after.credentials.get(path):
            yield Change(key, path, path)


def _changes(path: str, before: _Value, after: _Value) -> Iterator[Change]:
    if before.real == after.real:
        return
    if _is_table(before) and _is_table(after):
        for key in dict.fromkeys((*before.real, *after.real)):
            yield from _changes(f"{path}.{key}" if path else key, before.under(key), after.under(key))
    elif _are_items(before, after):
        yield from _changes_of_items(path, before, after)
    elif before.real is None and _is_table(after):
        yield Change(path, kind="added", after=_text(after.told))
    elif after.real is None and _is_table(before):
        yield Change(path, kind="removed", before=_text(before.told))
    else:
        yield Change(path, _text(before.told), _text(after.told))


def _changes_of_items(path: str, before: _Value, after: _Value) -> Iterator[Change]:
    old, new = _by_identity(before), _by_identity(after)
    if old is None or new is None:
        old, new = _by_place(before), _by_place(after)
    for label in dict.fromkeys((*old, *new)):
        yield from _changes(f"{path}.{label}", old.get(label, _NOTHING), new.get(label, _NOTHING))
    if [label for label in old if label in new] != [label for label in new if label in old]:
        yield Change(path, _text(list(old)), _text(list(new)), "order changed")


def _is_table(value: _Value) -> bool:
    return isinstance(value.real, dict) and isinstance(value.told, dict)


def _are_items(*lists: _Value) -> bool:
    """Whether these are lists of tables; none at all is an empty one."""
    found = [item for value in lists for item in _pairs(value)]
    return (
        all(value.real is None or isinstance(value.real, list) for value in lists)
        and bool(found)
        and all(map(_is_table, found))
    )


def _pairs(value: _Value) -> list[_Value]:
    if not isinstance(value.real, list) or not isinstance(value.told, list):
        return []
    return [_Value(*pair) for pair in zip(value.real, value.told, strict=True)]


def _by_identity(items: _Value) -> dict[str, _Value] | None:
    """The items by what tells them apart; None where something of them has nothing of the kind."""
    found: dict[str, _Value] = {}
    pairs = _pairs(items)
    for item in pairs:
        label = next((item.told[key] for key in _IDENTITIES if isinstance(item.told.get(key), str)), HIDDEN)
        if label != HIDDEN:
            found[label] = item
    return found if len(found) == len(pairs) else None


def _by_place(items: _Value) -> dict[str, _Value]:
    return {str(place): item for place, item in enumerate(_pairs(items))}


def _text(told: object) -> str:
    text = "(secret)" if told == HIDDEN else notation(told)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
