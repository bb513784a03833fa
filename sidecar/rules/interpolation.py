"""`${NAME}`, `${NAME:-default}`, `${file:/path}` and `$${`, replaced in a value's text before it is read.

Opens no file itself: reading is a callable that is handed in. A value that came out of a file is marked secret, so
that nothing later prints it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from sidecar.rules.problems import Problem
from sidecar.rules.tree import Entry, Items, Node, Origin, Scalar, Table

_REFERENCE = re.compile(r"\$\$\{|\$\{(?P<inside>[^}]*)(?P<end>\}?)")
_NAME = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<default>:-(?P<text>.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Interpolation:
    """Where references are looked up. `lost` has the values with one that could not be replaced, and what was told."""

    environ: Mapping[str, str]
    read: Callable[[str], str]
    lost: dict[Origin, list[Problem]] = field(default_factory=dict)

    def applied(self, node: Node, problems: list[Problem]) -> Node:
        """The tree with every reference replaced; one that cannot be is a problem at its place."""
        if isinstance(node, Scalar):
            return self._scalar(node, problems) if "${" in node.text else node
        if isinstance(node, Items):
            return replace(node, items=tuple(self.applied(item, problems) for item in node.items))
        entries = {key: Entry(e.origin, self.applied(e.value, problems)) for key, e in node.entries.items()}
        return Table(entries, node.origin)

    def alone(self, problems: Iterable[Problem]) -> list[Problem]:
        """These without what else is said of a value that could not be looked up: it only follows from that."""
        return [one for one in problems if one in self.lost.get(Origin(one.file, one.line, one.column), (one,))]

    def _scalar(self, node: Scalar, problems: list[Problem]) -> Scalar:
        secret = node.secret

        def resolved(match: re.Match[str]) -> str:
            nonlocal secret
            if match["inside"] is None:
                return "${"
            secret = secret or match["inside"].startswith("file:")
            try:
                return self._value(match["inside"], bool(match["end"]))
            except ValueError as error:
                problem = _at(node, match.start()).error(str(error))
                problems.append(problem)
                self.lost.setdefault(node.origin, []).append(problem)
                return ""

        text = _REFERENCE.sub(resolved, node.text)
        # What was looked up is text, even if it reads `null`; only nothing at all counts as absent.
        return replace(node, text=text, secret=secret, style=node.style or ('"' if text else ""))

    def _value(self, inside: str, closed: bool) -> str:
        if not closed:
            raise ValueError("`${` is never closed; write `$${` for a literal one")
        if inside.startswith("file:"):
            path = inside.removeprefix("file:")
            try:
                return self.read(path)
            except ValueError as error:
                raise ValueError(f"the file `{path}` {error}") from None
        match = _NAME.fullmatch(inside)
        if match is None:
            raise ValueError(
                f"`${{{inside}}}` is neither ${{NAME}} nor ${{file:/path}}; write `$${{` for a literal one"
            )
        value = self.environ.get(match["name"])
        if match["default"] is not None:
            return value or match["text"]
        if value is None:
            name = match["name"]
            raise ValueError(f"`{name}` is not set in the environment; ${{{name}:-…}} would give a default")
        return value


def _at(node: Scalar, offset: int) -> Origin:
    """Where a character of a scalar stands; a block's lines are not counted through, its head is near enough."""
    if not node.origin.line or node.style in ("|", ">"):
        return node.origin
    return replace(node.origin, column=node.origin.column + offset + len(node.style))
