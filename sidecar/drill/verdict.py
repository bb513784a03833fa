"""The verdict on a drill: every client error under its cause, the heart of a report.

Owns the grouping; why one request failed is causes.py's. Pure: the same record, the same verdict.
"""

from __future__ import annotations

from dataclasses import dataclass

from sidecar.drill.causes import CLASSES, Cause, Class, Judge
from sidecar.drill.record import Record, Request


@dataclass(frozen=True, slots=True)
class Group:
    """All errors of one cause: the numbers of their requests, in order, and when the first and the last ended."""

    cause: Cause
    requests: tuple[int, ...]
    first: float
    last: float

    @property
    def count(self) -> int:
        """How many."""
        return len(self.requests)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Every client error under its cause; the groups with most errors first, within their class."""

    groups: tuple[Group, ...]

    def count(self, kind: Class) -> int:
        """The errors of a class."""
        return sum(group.count for group in self.groups if group.cause.kind == kind)

    @property
    def errors(self) -> int:
        """All of them."""
        return sum(group.count for group in self.groups)


def judge(record: Record) -> Verdict:
    """The verdict on a record."""
    judge = Judge(record)
    found: dict[Cause, list[Request]] = {}
    for request in sorted(record.requests, key=lambda one: one.ended):
        if not request.ok:
            found.setdefault(judge.cause(request), []).append(request)
    groups = [
        Group(cause, tuple(sorted(one.number for one in those)), those[0].ended, those[-1].ended)
        for cause, those in found.items()
    ]
    groups.sort(key=lambda group: (CLASSES.index(group.cause.kind), -group.count, group.cause.sentence))
    return Verdict(tuple(groups))
