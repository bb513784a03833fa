"""Everything that was given, as objects that can be told from each other, and what becomes of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from sidecar.inject.documents import Document, documents, objects_in
from sidecar.inject.objects import Ours, Path, Table, named
from sidecar.inject.output import Edited, joined
from sidecar.model.printable import printable
from sidecar.rules.problems import ConfigError, Problem
from sidecar.rules.tree import Origin

Verdict = Literal["injected", "taken out", "unchanged", "note", "refused"]


@dataclass(frozen=True, slots=True)
class Note:
    """What became of an object, or what its author should know."""

    place: Origin
    verdict: Verdict
    ours: Ours
    sentence: str

    def __str__(self) -> str:
        where = f"{self.place.source}:{self.place.line}:{self.place.column}"
        # Names come from the manifest, and a quoted text of YAML may hold any character.
        return printable(f"{where}: {self.verdict}: {self.ours}{': ' if self.sentence else ''}{self.sentence}")


@dataclass(slots=True)
class Found:
    """One object of the input. `new`: what it is now; `before`: what is put in front of it; `gone`: it is left out."""

    document: Document
    path: Path
    value: Table
    ours: Ours
    new: Table
    before: list[Table] = field(default_factory=list)
    gone: bool = False

    @property
    def kind(self) -> str:
        """Its kind."""
        return self.ours.kind

    def place(self, path: Path = ()) -> Origin:
        """Where something of it stands."""
        return self.document.place((*self.path, *path))


class Input:
    """Texts with their names; ConfigError with every problem where one of them is no manifest.

    Windows' line ends are kept where every text has them throughout.
    """

    def __init__(self, texts: Sequence[tuple[str, str]]) -> None:
        self._windows = bool(texts) and all(_is_windows(text) for _, text in texts)
        self._files: list[list[tuple[Document, list[Found]]]] = []
        problems: list[Problem] = []
        for name, text in texts:
            try:
                read = documents(text.replace("\r\n", "\n") if _is_windows(text) else text, name)
                self._files.append([(document, list(_objects(document))) for document in read])
            except ConfigError as error:
                problems += error.problems
        if problems:
            raise ConfigError(problems)
        self.objects = [one for file in self._files for _, found in file for one in found]

    def text(self) -> str:
        """All of it, with what became of each object."""
        text = joined([[_edited(document, found) for document, found in file] for file in self._files])
        return text.replace("\n", "\r\n") if self._windows else text


def _is_windows(text: str) -> bool:
    # With a CR of its own somewhere, to take one from a pair might make another pair, and a line less.
    return 0 < text.count("\n") == text.count("\r\n") == text.count("\r")


def _objects(document: Document) -> Iterator[Found]:
    for path, value in objects_in(document):
        if not isinstance(value, dict) or not isinstance(value.get("kind"), str):
            raise ConfigError([document.place(path).error("this is no Kubernetes object: it has no `kind`")])
        yield Found(document, path, value, named(value), value)


def _edited(document: Document, found: Sequence[Found]) -> Edited:
    if not found:
        return document, document.value, [], False
    if not found[0].path:
        return document, found[0].new, found[0].before, found[0].gone
    items: list[Table] = []
    for one in found:
        items += [] if one.gone else [*one.before, one.new]
    return document, {**document.value, "items": items}, [], False
