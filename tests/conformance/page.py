"""What a run came to: for the terminal, and as docs/conformance.md.

Owns the words and the tables. May not run anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tests.conformance.case import Case, Level, Seen, with_key
from tests.conformance.reader import shown
from tests.conformance.run import Result

_SHOWN = 160

_HEAD = """# Conformance

Duties of RFC 9110 and RFC 9112 for an intermediary, asked of Sidecar and of four other proxies by the same bytes. A
case is bytes in, what a scripted backend saw and answered, and bytes out; `make conformance TARGET=nginx` runs them
against one proxy (`sidecar`, `nginx`, `haproxy`, `envoy`, `caddy`), and the suite is in
[tests/conformance](../tests/conformance). This page is generated: `python -m tests.conformance --page`.

**How it is judged.** Both sides are read by a strict reader of their own, written from the RFCs. A judgement accepts
whatever the RFC allows: a refusal where it may refuse, a repaired message where it may repair, a line dropped where it
may drop. After each case follows a canary on the same connection, if it is open, and one on a new connection: they
must be served, each with its own answer. A proxy fails at once if it sends anything malformed or with two readings to
either side, takes bytes of a body for a request, or gives an answer to somebody else.

**Levels.** *MUST* and *SHOULD* are the RFC's words. *security*: desynchronisation, smuggling, splitting, poisoning of
a pool, or a message cut short that looks whole.

**Configurations** are in [targets.py](../tests/conformance/targets.py): a reverse proxy as each manual shows it, with
HTTP/1.1 and keep-alive towards the backend, unbuffered, WebSocket upgrades, X-Forwarded-For, Via where there is a way
to write it, HTTP/1.0 accepted. All else is the vendor's default. Other settings, and other versions, may do better.
"""


def told(results: Sequence[Result], with_bytes: bool = False) -> str:
    """Failures, then totals by level, for a terminal."""
    lines: list[str] = []
    for one in results:
        if one.wrong:
            lines.append(f"{one.case.level.value:9} {one.case.name}  ({one.case.clause})\n          {one.wrong}")
            if with_bytes:
                lines += [f"          {line}" for line in (*_asked(one.case, one.seen.key), *_got(one.seen))]
    for level in Level:
        passed, count = score(results, level)
        lines.append(f"{level.value:9} {passed} of {count}")
    passed, count = score(results)
    return "\n".join([*lines, f"{'all':9} {passed} of {count}"])


def score(results: Sequence[Result], level: Level | None = None, topic: str | None = None) -> tuple[int, int]:
    """Cases passed, and cases."""
    of = [one for one in results if level in (None, one.case.level) and topic in (None, one.case.topic)]
    return sum(not one.wrong for one in of), len(of)


def page(results: Mapping[str, Sequence[Result]], versions: Mapping[str, str], day: str) -> str:
    """The whole of docs/conformance.md. `results` by proxy, all of the same cases in the same order."""
    parts = [_HEAD, f"Taken on {day}: " + ", ".join(f"{name} {versions[name]}" for name in results) + ".\n"]
    parts += ["## Totals\n", *_totals(results), "## Cases\n", *_cases(results), "## Failures\n", *_failures(results)]
    return "\n".join(parts)


def _totals(results: Mapping[str, Sequence[Result]]) -> Iterator[str]:
    first = next(iter(results.values()))
    topics = list(dict.fromkeys(one.case.topic for one in first))
    yield "| | cases | " + " | ".join(results) + " |\n|---|---|" + "---|" * len(results)
    rows: list[tuple[str, Level | None, str | None]] = [(level.value, level, None) for level in Level]
    rows += [("**all**", None, None), *((f"`{topic}`", None, topic) for topic in topics)]
    for title, level, topic in rows:
        passed = [score(found, level, topic)[0] for found in results.values()]
        yield f"| {title} | {score(first, level, topic)[1]} | " + " | ".join(map(str, passed)) + " |"
    yield ""


def _cases(results: Mapping[str, Sequence[Result]]) -> Iterator[str]:
    yield "✓ passed, ✗ failed; what a failure was stands below.\n"
    yield "| case | clause | level | " + " | ".join(results) + " |\n|---|---|---|" + "---|" * len(results)
    for row in zip(*results.values(), strict=True):
        case = row[0].case
        marks = " | ".join("✗" if one.wrong else "✓" for one in row)
        yield f"| `{_cell(case.name)}` | {case.clause} | {case.level.value} | {marks} |"
    yield ""


def _failures(results: Mapping[str, Sequence[Result]]) -> Iterator[str]:
    for row in zip(*results.values(), strict=True):
        failed = [(name, one) for name, one in zip(results, row, strict=True) if one.wrong]
        if not failed:
            continue
        case = row[0].case
        yield f"### `{case.name}`\n\n{case.level.value}, {case.clause}. {case.duty}\n"
        for line in _asked(case, row[0].seen.key):
            title, _, data = line.partition(": ")
            yield f"- {title}: {_code(data)}"
        for name, one in failed:
            yield f"- **{name}** {_plain(one.wrong)}."
            for line in _got(one.seen):
                title, _, data = line.partition(": ")
                yield f"  - {title}: {_code(data)}"
        yield ""


def _asked(case: Case, key: bytes) -> list[str]:
    sent = b"".join(with_key(step, key) for step in case.send if isinstance(step, bytes))
    lines = [f"sent: {shown(sent, _SHOWN)}"]
    if case.answer is not None:
        parts = [with_key(step, key) for step in case.answer if isinstance(step, bytes)]
        lines.append(f"backend answers: {shown(b''.join(parts), _SHOWN)}")
    return lines


def _got(seen: Seen) -> list[str]:
    lines = [f"backend got: {shown(data, _SHOWN)}" for data in seen.connections[:2]]
    if seen.received:
        lines.append(f"client got: {shown(seen.received, _SHOWN)}")
    return lines


def _code(data: str) -> str:
    """Bytes as they are, whatever backquotes are among them."""
    return f"`` {data} ``" if data else "nothing"


def _plain(text: str) -> str:
    """A sentence, in which no byte of a message is taken for a mark of the page."""
    return "".join(f"\\{char}" if char in "\\`*_<>|[]#" else char for char in text)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("`", "'")
