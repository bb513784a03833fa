"""What a run came to: for the terminal, and as docs/conformance.md.

Owns the words and the tables. May not run anything but programs that tell their version.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.conformance.case import Case, Level, Seen, with_key
from tests.conformance.reader import shown
from tests.conformance.run import Result

_SHOWN = 160


def told(results: Sequence[Result], with_bytes: bool = False) -> str:
    """Failures, then totals by level, for a terminal."""
    lines: list[str] = []
    for one in results:
        if one.wrong:
            lines.append(f"{one.case.level.value:9} {one.case.name}  ({one.case.clause})\n          {one.wrong}")
            if with_bytes:
                lines += [f"          {line}" for line in _bytes(one.case, one.seen)]
    for level in Level:
        passed, count = score(results, level)
        lines.append(f"{level.value:9} {passed} of {count}")
    passed, count = score(results)
    return "\n".join([*lines, f"{'all':9} {passed} of {count}"])


def score(results: Sequence[Result], level: Level | None = None, topic: str | None = None) -> tuple[int, int]:
    """Cases passed, and cases."""
    of = [one for one in results if level in (None, one.case.level) and topic in (None, one.case.topic)]
    return sum(not one.wrong for one in of), len(of)


def _bytes(case: Case, seen: Seen) -> list[str]:
    sent = b" | ".join(with_key(step, seen.key) for step in case.send if isinstance(step, bytes))
    lines = [f"sent: {shown(sent, _SHOWN)}"]
    if case.answer is not None:
        parts = [step for step in case.answer if isinstance(step, bytes)]
        lines.append(f"backend answers: {shown(b' | '.join(parts), _SHOWN)}")
    lines += [f"backend saw: {shown(data, _SHOWN)}" for data in seen.connections[:3]]
    lines.append(f"client saw: {shown(seen.received, _SHOWN)}")
    return lines


def page(results: Mapping[str, Sequence[Result]]) -> str:
    return ""
