"""A document with a new value, written so that everything that stays the same stays as it was written.

Comments, quotes and the order of keys are the author's: only what differs is written anew. Each edit is a span of the
text and what stands there instead. Whatever the edits come to is read again; where that is not exactly the new value
(layouts that nobody writes, but somebody might), or where a node stands for another one, the whole document is written
anew, without its comments.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from difflib import SequenceMatcher

from sidecar.inject.documents import Document, Node, documents
from sidecar.inject.values import Value, block, entry_of, flow, item_of
from sidecar.rules.problems import ConfigError

_WIDTH = 120


class _Unsuited(Exception):  # noqa: N818 - no error: this layout is not edited in place
    pass


def rewritten(document: Document, new: Value) -> str:
    """The text of the document with this value instead of its own."""
    if new == document.value:
        return document.text
    if document.json:
        return _as_json(document.text, new)
    if document.plain and not document.root.flow:
        try:
            text = _Edits(document).text(new)
        except _Unsuited:
            text = ""
        if _reads_as(text, new):
            return text
    return _anew(document, new)


def _reads_as(text: str, value: Value) -> bool:
    try:
        return [found.value for found in documents(text, "")] == [value]
    except ConfigError:
        return False


def _anew(document: Document, new: Value) -> str:
    head = "---\n" if document.marked else ""
    if document.root.flow:
        start = document.root.start - document.offset
        try:
            json.loads(document.text[start : document.root.end - document.offset])
        except ValueError:
            pass
        else:
            return head + _as_json(document.text[start:], new)
    return head + block(new)


def _as_json(text: str, new: Value) -> str:
    """JSON indented as the text is; on one line where it was."""
    first = re.match(r"\s*\{[ \t]*\r?\n([ \t]+)", text)
    return json.dumps(new, indent=first[1] if first else None, ensure_ascii=text.isascii()) + "\n"


class _Edits:
    """The edits of one document; places are those of the whole file until they are made."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._made: list[tuple[int, int, str]] = []

    def text(self, new: Value) -> str:
        root = self._document.root
        if not isinstance(new, dict) or not root.entries:
            raise _Unsuited
        self._table(root, new)
        pieces, at = [], 0
        for start, end, instead in sorted(self._made, key=lambda edit: edit[:2]):
            if start < at:
                raise _Unsuited
            pieces += [self._document.text[at:start], instead]
            at = end
        return "".join([*pieces, self._document.text[at:]])

    def _edit(self, start: int, end: int, instead: str) -> None:
        self._made.append((start, end, instead))

    def _start(self, node: Node) -> int:
        return node.start - self._document.offset

    def _end(self, node: Node) -> int:
        """Behind its last character; a block scalar's line breaks are not counted."""
        end = node.end - self._document.offset
        while end > self._start(node) and self._document.text[end - 1] in " \n":
            end -= 1
        return end

    def _line_start(self, node: Node) -> int:
        return self._document.text.rfind("\n", 0, self._start(node)) + 1

    def _line_end(self, index: int) -> int:
        found = self._document.text.find("\n", index)
        return len(self._document.text) if found < 0 else found

    def _change(self, node: Node, new: Value, indent: int) -> None:
        """`indent`: of the key or the dash that holds it."""
        if node.value == new:
            return
        if not node.flow and isinstance(new, dict) and node.entries and new:
            self._table(node, new)
        elif not node.flow and isinstance(new, list) and node.items and new:
            self._list(node, new)
        else:
            self._replace(node, new, indent)

    def _replace(self, node: Node, new: Value, indent: int) -> None:
        start, end = self._start(node), self._end(node)
        empty = start == end
        if not node.flow:
            raise _Unsuited
        line = f" {flow(new)}"
        fits = not isinstance(new, dict | list) or not new or (not empty and len(line) + node.column <= _WIDTH)
        if isinstance(new, str) and "\n" in new:
            fits = False
        if not fits:
            line = entry_of(new, indent).removesuffix("\n")
        if empty and not fits:
            end = start = self._line_end(start)
        elif not empty:
            while self._document.text[start - 1] == " ":
                start -= 1
        self._edit(start, end, line)

    def _table(self, node: Node, new: dict[str, Value]) -> None:
        indent = node.column - 1
        kept = [(key, held) for key, held in node.entries if key.value in new]
        if not kept:
            raise _Unsuited
        for index, (key, held) in enumerate(node.entries):
            if key.value in new:
                self._change(held, new[key.value], indent)
            elif key.start < kept[-1][0].start:
                self._edit(self._start(key), self._start(node.entries[index + 1][0]), "")
        last = node.entries[-1]
        if last is not kept[-1]:
            self._edit(self._line_end(self._end(kept[-1][1])), self._line_end(self._end(last[1])), "")
        added = {key: value for key, value in new.items() if key not in node.value}
        if added:
            end = self._line_end(self._end(kept[-1][1]))
            self._edit(end, end, "\n" + block(added, indent).removesuffix("\n"))

    def _list(self, node: Node, new: list[Value]) -> None:
        indent = node.column - 1
        if len(node.items) == len(new):
            for item, value in zip(node.items, new, strict=True):
                self._change(item, value, indent)
            return
        names, told = _names(node.value), _names(new)
        for verb, old_from, old_to, new_from, new_to in SequenceMatcher(None, names, told, False).get_opcodes():
            if verb == "equal":
                for item, value in zip(node.items[old_from:old_to], new[new_from:new_to], strict=True):
                    self._change(item, value, indent)
                continue
            if verb in ("replace", "delete"):
                self._remove(node, old_from, old_to)
            if verb in ("replace", "insert"):
                self._insert(node, old_from, new[new_from:new_to], indent)

    def _remove(self, node: Node, first: int, behind: int) -> None:
        if first:
            start = self._line_end(self._end(node.items[first - 1]))
            self._edit(start, self._line_end(self._end(node.items[behind - 1])), "")
        elif behind < len(node.items):
            self._edit(self._line_start(node.items[0]), self._line_start(node.items[behind]), "")
        else:
            raise _Unsuited

    def _insert(self, node: Node, index: int, added: Iterable[Value], indent: int) -> None:
        text = "".join(item_of(value, indent) for value in added)
        if index:
            end = self._line_end(self._end(node.items[index - 1]))
            self._edit(end, end, "\n" + text.removesuffix("\n"))
        else:
            first = self._line_start(node.items[0])
            self._edit(first, first, text)


def _names(items: Iterable[Value]) -> list[str]:
    """What tells the items of a list from each other."""
    return [_name(item) for item in items]


def _name(item: Value) -> str:
    if not isinstance(item, dict):
        return repr(item)
    named = item["metadata"] if isinstance(item.get("metadata"), dict) else item
    name = named.get("name") or named.get("generateName")
    return repr((item.get("kind"), name)) if name else repr(item)
