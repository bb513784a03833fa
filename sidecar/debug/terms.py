"""What is asked of the inside of a process: values, and how they are read from a query.

Owns every bound of a question, so that no look can take a process's time or memory without end. Sends nothing and looks
at nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

KINDS = ("tasks", "memory", "loop", "profile")

_MOST_SECONDS = 60.0
_MOST_HZ = 1000
_MOST_TYPES = 1000
_MOST_FRAMES = 50
_NUMBER = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)s?", re.ASCII)
_WHOLE = re.compile(r"\d{1,6}", re.ASCII)

_KEYS = {
    "tasks": (),
    "memory": ("top", "trace", "frames"),
    "loop": ("seconds",),
    "profile": ("seconds", "hz"),
}
_FORMS = {"tasks": ("json", "text"), "memory": ("json", "text"), "loop": ("json", "text"), "profile": ("svg", "folded")}


class TermsError(ValueError):
    """The question is not one that can be asked; the text is the sentence that says why."""


class BusyError(RuntimeError):
    """Only one such look is taken at a time, and one is under way."""


class NoSuchWorkerError(LookupError):
    """The instance has no such worker; `known` are those that it has."""

    def __init__(self, worker: int, known: Sequence[int]) -> None:
        super().__init__(f"there is no worker {worker}")
        self.known = tuple(known)


@dataclass(frozen=True, slots=True)
class TaskTerms:
    """Every task and every thread, and where each stands."""


@dataclass(frozen=True, slots=True)
class MemoryTerms:
    """What the memory holds: the `top` types by their counts (0: none is counted). `trace` starts or stops the tracing
    of allocations, each by the last `frames` lines that led to it."""

    top: int = 25
    trace: Literal["start", "stop"] | None = None
    frames: int = 1


@dataclass(frozen=True, slots=True)
class LoopTerms:
    """How the loop does; the garbage collector is watched for so many seconds, none for 0."""

    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class ProfileTerms:
    """Where the loop's thread is, `hz` times a second for so many seconds."""

    seconds: float = 5.0
    hz: int = 200


Terms = TaskTerms | MemoryTerms | LoopTerms | ProfileTerms


@dataclass(frozen=True, slots=True)
class Question:
    """One request: the terms, the form of the answer, and the only worker that is asked, None for all processes."""

    terms: Terms
    form: str
    worker: int | None


def lasting(terms: Terms) -> float:
    """The seconds that a look of these terms goes on for by itself."""
    return terms.seconds if isinstance(terms, LoopTerms | ProfileTerms) else 0.0


def weight(terms: Terms) -> str:
    """What somebody who reads the log later should know was done to the process; empty where it was next to nothing."""
    if isinstance(terms, ProfileTerms):
        return f"profiled for {terms.seconds:g} s at {terms.hz} Hz"
    if isinstance(terms, MemoryTerms) and terms.trace == "start":
        return "allocations are traced from now on, and cost more"
    if isinstance(terms, MemoryTerms) and terms.trace == "stop":
        return "allocations are traced no more"
    return ""


def read(kind: str, query: Mapping[str, str]) -> Question:
    """The question of `GET /debug/KIND?query`. Raises TermsError; KeyError for a kind that is none of KINDS."""
    known = (*_KEYS[kind], "format", "worker")
    for key in query:
        if key not in known:
            raise TermsError(
                f"`{key}` means nothing here; /debug/{kind} takes {', '.join(f'`{one}`' for one in known)}"
            )
    form = query.get("format", _FORMS[kind][0])
    if form not in _FORMS[kind]:
        raise TermsError(f"`format` is {' or '.join(f'`{one}`' for one in _FORMS[kind])}, not `{form}`")
    worker = _whole("worker", query["worker"], 0, 9999) if "worker" in query else None
    return Question(_terms(kind, query), form, worker)


def _terms(kind: str, query: Mapping[str, str]) -> Terms:
    if kind == "tasks":
        return TaskTerms()
    if kind == "memory":
        return _memory(query)
    if kind == "loop":
        return LoopTerms(_seconds(query.get("seconds", "0"), 0.0))
    return ProfileTerms(_seconds(query.get("seconds", "5"), 0.1), _whole("hz", query.get("hz", "200"), 1, _MOST_HZ))


def _memory(query: Mapping[str, str]) -> MemoryTerms:
    trace = query.get("trace")
    if trace not in (None, "start", "stop"):
        raise TermsError(f"`trace` is `start` or `stop`, not `{trace}`")
    if "frames" in query and trace != "start":
        raise TermsError("`frames` goes with `trace=start` only")
    return MemoryTerms(
        _whole("top", query.get("top", "25"), 0, _MOST_TYPES),
        trace,  # type: ignore[arg-type]  # one of the two, or None: mypy does not narrow by `in`
        _whole("frames", query.get("frames", "1"), 1, _MOST_FRAMES),
    )


def _whole(key: str, text: str, least: int, most: int) -> int:
    if not _WHOLE.fullmatch(text) or not least <= int(text) <= most:
        raise TermsError(f"`{key}` is a whole number from {least} to {most}, not `{text}`")
    return int(text)


def _seconds(text: str, least: float) -> float:
    match = _NUMBER.fullmatch(text)
    if match is None or not least <= float(match[1]) <= _MOST_SECONDS:
        raise TermsError(f"`seconds` is a number from {least:g} to {_MOST_SECONDS:g}, not `{text}`")
    return float(match[1])
