"""From YAML text to a Tree, or to sentences about what is wrong with it. Never constructs an object from a tag.

Built on YAML's events instead of its node composer: that one recurses in C (a file of `[[[[…` takes the process
down) and expands aliases without a bound. Here depth and expanded size are bounded, duplicate keys are refused
where the second stands, and no scalar is guessed at.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import yaml

from sidecar.rules.problems import Problem
from sidecar.rules.tree import Entry, Items, Node, Origin, Scalar, Table

MAX_BYTES = 1 << 20
MAX_DEPTH = 32
MAX_NODES = 500_000
_UNPRINTABLE = re.compile("[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# What YAML 1.1 takes for the end of a line, and libyaml counts.
LINE_END = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# libyaml's words for the mistakes people make, and ours.
_CLEARER = {
    "mapping values are not allowed": "a `:` where none can be; put a value that contains `: ` in quotes, "
    "and check that this line is indented like its neighbours",
    "did not find expected key": "this does not line up with the lines above; check its indentation",
    "did not find expected <document start>": "this does not line up with the lines above; check its indentation",
    "did not find expected '-' indicator": "a list item was expected here; check the indentation",
    "could not find expected ':'": "a key without its `:`; write `key: value`",
    "did not find expected ',' or ']'": "a list that began with `[` goes wrong here; separate with `,`, close with `]`",
    "did not find expected ',' or '}'": "a mapping that began with `{` goes wrong here; separate with `,`, "
    "close with `}`, and put `${…}` inside it in quotes",
    "found unexpected end of stream": "a quote is opened and never closed",
    "found unknown escape character": "an unknown escape in a double-quoted text; write `\\\\` for a backslash",
    "did not find expected node content": "a value was expected here; put it in quotes if it begins with a mark",
    "alphabetic or numeric character": "`*` and `&` begin aliases and anchors; put such a text in quotes",
    "comment or line break": "a text goes on where it should have ended; put the whole of it in quotes",
    "found unexpected ':'": "a `:` where none can be; put a value that contains `:` in quotes",
    "directive": "`%` cannot begin a line; put the value in quotes",
    "mapping keys are not allowed": "a key cannot stand here; write `key: value` on a line of its own",
    "block sequence entries are not allowed": "a list item cannot begin here; put it on a line of its own",
}


class _Fatal(Exception):  # noqa: N818 - not an error of ours: it carries one away
    def __init__(self, problem: Problem) -> None:
        self.problem = problem


@dataclass(slots=True)
class _Frame:
    """A list or mapping that is still open."""

    is_table: bool
    origin: Origin
    anchor: str | None
    children: list[Node] = field(default_factory=list)
    size: int = 1


class _Builder:
    __slots__ = ("_anchors", "_frames", "_place", "problems", "root")

    def __init__(self, place: Callable[[int, int], Origin]) -> None:
        self._place = place
        self._frames: list[_Frame] = []
        self._anchors: dict[str, tuple[Node, int] | None] = {}
        self.problems: list[Problem] = []
        self.root: Node | None = None

    def feed(self, event: yaml.Event) -> None:
        mark: Any = event.start_mark
        end: Any = event.end_mark
        origin = self._place(mark.line + 1, mark.column + 1)
        match event:
            case yaml.DocumentStartEvent():
                if self.root is not None:
                    raise _Fatal(origin.error("a second document begins here; a rules file is one document"))
            case yaml.ScalarEvent():
                self._refuse_tag(event, origin)
                style = event.style or ""
                if end.line > mark.line and style != "|":
                    style = ">"  # folded, whatever its marks: where in the file a character of it stands is not known
                self._add(Scalar(event.value, origin, "" if style == ":" else style), 1, event.anchor)
            case yaml.AliasEvent():
                self._alias(event.anchor or "", origin)
            case yaml.CollectionStartEvent():
                self._refuse_tag(event, origin)
                if len(self._frames) >= MAX_DEPTH:
                    raise _Fatal(origin.error(f"nested deeper than {MAX_DEPTH} levels"))
                if event.anchor:
                    self._anchors[event.anchor] = None
                self._frames.append(_Frame(isinstance(event, yaml.MappingStartEvent), origin, event.anchor))
            case yaml.CollectionEndEvent():
                frame = self._frames.pop()
                node = self._table(frame) if frame.is_table else Items(tuple(frame.children), frame.origin)
                self._add(node, frame.size, frame.anchor)

    def _refuse_tag(self, event: Any, origin: Origin) -> None:
        if event.tag and event.tag != "!":
            self.problems.append(origin.error(f"the tag `{event.tag}` is not used in a rules file; drop it"))

    def _alias(self, name: str, origin: Origin) -> None:
        if name not in self._anchors:
            raise _Fatal(origin.error(f"`*{name}` names an anchor that is not defined above; quote a text with `*`"))
        known = self._anchors[name]
        if known is None:
            raise _Fatal(origin.error(f"`*{name}` is inside of what it names"))
        self._add(known[0], known[1], None)

    def _add(self, node: Node, size: int, anchor: str | None) -> None:
        if anchor:
            self._anchors[anchor] = (node, size)
        if not self._frames:
            self.root = node
            return
        frame = self._frames[-1]
        frame.children.append(node)
        frame.size += size
        if frame.size > MAX_NODES:
            raise _Fatal(node.origin.error(f"more than {MAX_NODES} values, aliases counted where they are used"))

    def _table(self, frame: _Frame) -> Table:
        entries: dict[str, Entry] = {}
        merges: list[Node] = []
        for key, value in zip(frame.children[::2], frame.children[1::2], strict=True):
            if not isinstance(key, Scalar):
                self.problems.append(key.origin.error("a key is one word, not a list or a mapping"))
            elif key.text == "<<" and not key.style:
                merges.extend(value.items if isinstance(value, Items) else (value,))
            elif key.text in entries:
                first = entries[key.text].origin.line
                self.problems.append(key.origin.error(f"`{key.text}` is written twice; the first is on line {first}"))
            else:
                entries[key.text] = Entry(key.origin, value)
        for source in merges:
            if isinstance(source, Table):
                entries = {**source.entries, **entries}
            else:
                self.problems.append(source.origin.error("`<<` merges mappings only"))
        return Table(entries, frame.origin)


@dataclass(frozen=True, slots=True)
class Parsed:
    """One document. `whole` is false when a mistake of syntax cut it short."""

    node: Node
    problems: list[Problem]
    whole: bool = True


def parse_yaml(text: str, place: Callable[[int, int], Origin]) -> Parsed:
    """Read one document; `place` makes an Origin of line and column, both from 1. An empty text is an empty table."""
    whole = True
    builder = _Builder(place)
    text = text.removeprefix("\ufeff")
    try:
        _refuse_unreadable(text, place)
        for event in yaml.parse(text, Loader=_Loader):
            builder.feed(event)
    except _Fatal as fatal:
        builder.problems.append(fatal.problem)
        whole = False
    except yaml.YAMLError as error:
        builder.problems.append(explained(error, text, place))
        whole = False
    return Parsed(builder.root or Table({}, place(1, 1)), builder.problems, whole)


def place_of(text: str, index: int) -> tuple[int, int]:
    """Line and column of a character, both from 1, counted as libyaml counts them."""
    before = LINE_END.split(text[:index])
    return len(before), len(before[-1]) + 1


def _refuse_unreadable(text: str, place: Callable[[int, int], Origin]) -> None:
    if len(text) > MAX_BYTES:
        raise _Fatal(place(1, 1).error("larger than 1MiB; this is not a rules file"))
    found = _UNPRINTABLE.search(text)
    if found:
        where = place(*place_of(text, found.start()))
        raise _Fatal(where.error(f"the character U+{ord(found[0]):04X} cannot be in a YAML file"))


def explained(error: yaml.YAMLError, text: str, place: Callable[[int, int], Origin]) -> Problem:
    """What libyaml found wrong with a text, in our words."""
    mark: Any = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    said = str(getattr(error, "problem", None) or error)
    if mark is None:
        return place(1, 1).error(f"this is not YAML: {said}")
    lines = LINE_END.split(text)
    line = lines[mark.line] if mark.line < len(lines) else ""
    found = line[mark.column : mark.column + 1]
    where = place(mark.line + 1, mark.column + 1)
    indent = re.match(r"[ \t]*", line)
    if indent and "\t" in indent[0]:
        return place(mark.line + 1, indent[0].index("\t") + 1).error("a tab cannot indent; use spaces")
    if "cannot start any token" in said:
        return where.error(f"`{found}` cannot begin a value; put the value in quotes")
    for theirs, ours in _CLEARER.items():
        if theirs in said:
            return where.error(ours)
    return where.error(f"this is not YAML: {said}")
