"""Manifests as they were written: the documents of a text, each with its value and where each piece of it stands.

Reads by YAML's events, as rules/parse.py does and for its reasons: depth and expanded size are bounded, a duplicate key
is refused, no tag constructs anything. Unlike there, scalars are understood as kubectl understands them, and each node
knows its first and last character, so that an edit can leave the rest as it was.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from sidecar.inject.values import Value, copied, understood
from sidecar.rules.parse import LINE_END, explained, place_of
from sidecar.rules.problems import ConfigError, Problem
from sidecar.rules.tree import Origin

MAX_DEPTH = 64
MAX_NODES = 500_000
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_STANDARD = "tag:yaml.org,2002:"
_TAGS = frozenset(_STANDARD + name for name in ("str", "int", "float", "bool", "null", "map", "seq", "binary"))
_TEMPLATE = "this is a template (`{{ … }}`); render it first, as in `helm template … | sidecar inject -f -`"
_SPACES = re.compile(r"[ \t\r\n]*")
_UNPRINTABLE = re.compile("[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(slots=True)
class Node:
    """One value, from its first character up to its last. `flow`: written within braces, brackets or as a scalar."""

    value: Value
    start: int
    end: int
    line: int
    column: int
    flow: bool = True
    entries: list[tuple[Node, Node]] = field(default_factory=list)
    items: list[Node] = field(default_factory=list)
    size: int = 1
    height: int = 1

    def at(self, path: tuple[str | int, ...]) -> Node:
        """The node at a path, or the nearest one above."""
        node = self
        for step in path:
            found = [held for key, held in node.entries if key.value == step]
            if isinstance(step, int) and step < len(node.items):
                found = [node.items[step]]
            if not found:
                break
            node = found[0]
        return node


@dataclass(slots=True)
class Document:
    """One document: its text from where the one before it ended. `plain`: an edit in place is safe, because nothing in
    it stands for something else (aliases, tags, directives). `marked`: its text has a `---`."""

    file: str
    text: str
    offset: int
    root: Node
    plain: bool = True
    marked: bool = False
    json: bool = False

    @property
    def value(self) -> Value:
        """What it holds."""
        return self.root.value

    def place(self, path: tuple[str | int, ...] = ()) -> Origin:
        """Where the value at a path stands."""
        node = self.root.at(path)
        return Origin(self.file, node.line, node.column)


def documents(text: str, file: str) -> list[Document]:
    """The documents of a text, empty ones included; ConfigError says what is wrong with it, and where."""
    if text.lstrip().startswith("{"):
        found = _json_documents(text, file)
        if found is not None:
            return found
    reader = _Reader(file, text)
    try:
        unprintable = _UNPRINTABLE.search(text)
        if unprintable:
            raise reader.wrong_at(unprintable.start(), f"the character U+{ord(unprintable[0]):04X} cannot be in YAML")
        for event in yaml.parse(text, Loader=_Loader):
            reader.feed(event)
    except yaml.YAMLError as error:
        problem = explained(error, text, lambda line, column: Origin(file, line, column))
        raise ConfigError([reader.or_template(problem)]) from None
    return reader.found


class _Frame:
    __slots__ = ("anchor", "key", "keys", "merges", "node")

    def __init__(self, node: Node, anchor: str | None) -> None:
        self.node = node
        self.anchor = anchor
        self.key: Node | None = None
        self.keys: dict[str, int] = {}
        self.merges: list[Node] = []


class _Reader:
    """Documents out of events."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text
        self.found: list[Document] = []
        self._frames: list[_Frame] = []
        self._anchors: dict[str, Node | None] = {}
        self._root: Node | None = None
        self._plain = True
        self._marked = False
        self._offset = 0

    def feed(self, event: Any) -> None:
        match event:
            case yaml.ScalarEvent():
                self._add(self._scalar(event), event.anchor)
            case yaml.AliasEvent():
                self._add(self._aliased(event), None)
            case yaml.CollectionStartEvent():
                self._open(event)
            case yaml.CollectionEndEvent():
                self._close(event)
            case yaml.DocumentStartEvent():
                self._begin(event)
            case yaml.StreamEndEvent() if self.text:
                # Comments alone are a text too.
                self._end(self._root or Node(None, 0, 0, 1, 1), len(self.text))

    def wrong(self, node: Node, sentence: str) -> ConfigError:
        return ConfigError([self.or_template(Origin(self.file, node.line, node.column).error(sentence))])

    def wrong_at(self, index: int, sentence: str) -> ConfigError:
        return ConfigError([Origin(self.file, *place_of(self.text, index)).error(sentence)])

    def or_template(self, problem: Problem) -> Problem:
        """What is not YAML because it is still to become YAML is told as that."""
        lines = LINE_END.split(self.text)
        braces = [number for number, line in enumerate(lines, 1) if "{{" in line]
        line = lines[problem.line - 1] if 0 < problem.line <= len(lines) else ""
        if "{{" in line or (braces and braces[0] <= problem.line):
            first = problem.line if "{{" in line else braces[0]
            return Origin(self.file, first, lines[first - 1].index("{{") + 1).error(_TEMPLATE)
        return problem

    def _begin(self, event: Any) -> None:
        if self._root is not None:
            self._end(self._root, event.start_mark.index)
        self._root = None
        self._anchors = {}
        self._marked = bool(event.explicit)
        self._plain = not event.version and not event.tags

    def _end(self, root: Node, index: int) -> None:
        text = self.text[self._offset : index]
        self.found.append(Document(self.file, text, self._offset, root, self._plain, self._marked))
        self._offset = index

    def _node(self, event: Any, value: Value) -> Node:
        start = event.start_mark
        return Node(value, start.index, event.end_mark.index, start.line + 1, start.column + 1)

    def _scalar(self, event: Any) -> Node:
        node = self._node(event, event.value)
        if event.tag and event.tag != "!":
            self._tagged(event, node)
        if (not event.style or event.style == ":") and event.tag in (None, *_NUMERIC):
            node.value = understood(event.value)
        return node

    def _tagged(self, event: Any, node: Node) -> None:
        if event.tag not in _TAGS:
            raise self.wrong(node, f"the tag `{event.tag}` is not used in Kubernetes' manifests; drop it")
        self._plain = False

    def _aliased(self, event: Any) -> Node:
        node = self._node(event, None)
        known = self._anchors.get(event.anchor)
        if known is None:
            inside = event.anchor in self._anchors
            said = "is inside of what it names" if inside else "names an anchor that is not defined above"
            raise self.wrong(node, f"`*{event.anchor}` {said}")
        self._plain = False
        node.value, node.size, node.height = copied(known.value), known.size, known.height
        return node

    def _open(self, event: Any) -> None:
        is_table = isinstance(event, yaml.MappingStartEvent)
        node = self._node(event, {} if is_table else [])
        node.flow = bool(event.flow_style)
        if event.tag and event.tag != "!":
            self._tagged(event, node)
        if event.anchor:
            self._anchors[event.anchor] = None
        if len(self._frames) >= MAX_DEPTH:
            raise self.wrong(node, f"nested deeper than {MAX_DEPTH} levels")
        self._frames.append(_Frame(node, event.anchor))

    def _close(self, event: Any) -> None:
        frame = self._frames.pop()
        node = frame.node
        if node.flow:
            node.end = event.end_mark.index
        else:
            last = node.items[-1] if node.items else node.entries[-1][1] if node.entries else node
            node.end = last.end
        for source in frame.merges:
            for table in source.value if isinstance(source.value, list) else (source.value,):
                if not isinstance(table, dict):
                    raise self.wrong(source, "`<<` merges mappings only")
                node.value.update({key: item for key, item in copied(table).items() if key not in node.value})
        self._add(node, frame.anchor)

    def _add(self, node: Node, anchor: str | None) -> None:
        if anchor:
            self._anchors[anchor] = node
            self._plain = False
        if not self._frames:
            self._root = node
            return
        frame = self._frames[-1]
        above = frame.node
        above.size += node.size
        above.height = max(above.height, node.height + 1)
        if above.size > MAX_NODES or above.height > MAX_DEPTH + 1:
            raise self.wrong(node, f"more than {MAX_NODES} values or {MAX_DEPTH} levels, with what aliases stand for")
        if isinstance(above.value, list):
            above.items.append(node)
            above.value.append(node.value)
        elif frame.key is None:
            frame.key = self._key(frame, node)
        else:
            self._hold(frame, frame.key, node)
            frame.key = None

    def _key(self, frame: _Frame, node: Node) -> Node:
        if isinstance(node.value, dict | list):
            raise self.wrong(node, "a key is one word, not a list or a mapping")
        written = self.text[node.start : node.end]
        if not isinstance(node.value, str):
            node.value = written
        if node.value in frame.keys:
            first = frame.keys[node.value]
            raise self.wrong(node, f"`{node.value}` is written twice; the first is on line {first}")
        frame.keys[node.value] = node.line
        return node

    def _hold(self, frame: _Frame, key: Node, node: Node) -> None:
        if key.value == "<<" and self.text[key.start : key.end] == "<<":
            frame.merges.append(node)
            self._plain = False
            return
        frame.node.entries.append((key, node))
        frame.node.value[key.value] = node.value


_NUMERIC = tuple(_STANDARD + name for name in ("int", "float", "bool", "null"))


def _json_documents(text: str, file: str) -> list[Document] | None:
    """The objects of a JSON text, one after the other as kubectl reads them; None where it is YAML after all."""
    decoder = json.JSONDecoder(object_pairs_hook=_unique)
    found: list[Document] = []
    offset = 0
    index = _after_spaces(text, 0)
    while index < len(text):
        place = Origin(file, *place_of(text, index))
        try:
            value, end = decoder.raw_decode(text, index)
        except _Twice as error:
            raise ConfigError([place.error(f"`{error}` is written twice in an object")]) from None
        except RecursionError:
            raise ConfigError([place.error(f"nested deeper than {MAX_DEPTH} levels")]) from None
        except ValueError:
            return None
        if not _is_within(value, MAX_DEPTH):
            raise ConfigError([place.error(f"nested deeper than {MAX_DEPTH} levels")])
        index = _after_spaces(text, end)
        root = Node(value, end, end, place.line, place.column)
        found.append(Document(file, text[offset:index], offset, root, json=True))
        offset = index
    return found


def _after_spaces(text: str, index: int) -> int:
    found = _SPACES.match(text, index)
    return found.end() if found else index


def _is_within(value: Value, depth: int) -> bool:
    held = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return depth > 0 and all(_is_within(item, depth - 1) for item in held)


class _Twice(Exception):  # noqa: N818 - carries a key away
    pass


def _unique(pairs: list[tuple[str, Value]]) -> dict[str, Value]:
    table = dict(pairs)
    if len(table) < len(pairs):
        names = [name for name, _ in pairs]
        raise _Twice(next(name for name in names if names.count(name) > 1))
    return table


def objects_in(document: Document) -> Iterator[tuple[tuple[str | int, ...], Value]]:
    """Its Kubernetes objects with their paths: itself, or what a `List` or a `DeploymentList` holds."""
    value = document.value
    is_list = isinstance(value, dict) and str(value.get("kind")).endswith("List")
    if is_list and isinstance(value.get("items"), list):
        for index, item in enumerate(value["items"]):
            yield ("items", index), item
    elif value is not None:
        yield (), value
