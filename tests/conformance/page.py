"""What a run came to: for the terminal, and as docs/conformance.md.

Owns the words and the tables. May not run anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from tests.conformance.case import Case, Level, Seen, with_key
from tests.conformance.reader import shown
from tests.conformance.run import Result

_SHOWN = 160

_HEAD = """# Conformance

Duties of RFC 9110 and RFC 9112 for an intermediary, asked of Sidecar and of four other proxies by the same bytes. A
case is bytes in, what a scripted backend saw and answered, and bytes out. The suite is
[tests/conformance](../tests/conformance), and this page is generated: `python -m tests.conformance --page`.

```
make conformance                 # Sidecar
make conformance TARGET=nginx    # another one: haproxy, envoy, caddy
python -m tests.conformance nginx --only '^hosts/two$' --bytes    # one case, with all that was sent and seen
```

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

_CAUSES = """## Where most of it comes from

- **nginx** passes on every field that its configuration does not name, whatever `Connection` says; the recipe of its
  manual for WebSocket passes on every `Upgrade`. An answer without a status line it takes for HTTP/0.9, and a first
  interim answer for the last one. `$host` has no port, and `$http_via` is the first line only.
- **haproxy** does not look into `Host`, and passes on what `Connection` names, `Keep-Alive` and every `Upgrade`.
- **envoy** joins two `Host` lines to one, knows a fixed list of methods, passes on `100` and no other interim answer,
  and writes the same `Via` whatever version it was asked in.
- **caddy** ends an answer that broke off as if it were whole, and goes on with a connection after a request with both
  framings, or with `Transfer-Encoding` in HTTP/1.0.
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
    rows = [dict(zip(results, row, strict=True)) for row in zip(*results.values(), strict=True)]
    families: dict[str, list[dict[str, Result]]] = {}
    for row in rows:
        families.setdefault(_case(row).topic, []).append(row)
    parts = [_HEAD, f"Taken on {day}: " + ", ".join(f"{name} {versions[name]}" for name in results) + ".\n"]
    parts += ["## Cases passed\n", *_totals(results, list(families)), _CAUSES, "## Every failure\n"]
    parts.append("In bytes, `~` is the name of a case, which no other message has.\n")
    for topic, family in families.items():
        parts += _family(topic, family)
    return "\n".join(parts)


def _totals(results: Mapping[str, Sequence[Result]], topics: Sequence[str]) -> Iterator[str]:
    first = next(iter(results.values()))
    yield "| | cases | " + " | ".join(results) + " |\n|---|---|" + "---|" * len(results)
    rows: list[tuple[str, Level | None, str | None]] = [("**all**", None, None)]
    rows += [(level.value, level, None) for level in Level]
    rows += [(f"[`{topic}`](#{topic})", None, topic) for topic in topics]
    for title, level, topic in rows:
        passed = [score(found, level, topic)[0] for found in results.values()]
        yield f"| {title} | {score(first, level, topic)[1]} | " + " | ".join(map(str, passed)) + " |"
    yield ""


def _family(topic: str, family: Sequence[Mapping[str, Result]]) -> Iterator[str]:
    """What failed and how; folded, what was sent; and what none failed."""
    failed = [row for row in family if any(one.wrong for one in row.values())]
    yield f"### {topic}\n"
    if failed:
        yield "| case | duty | what was done |\n|---|---|---|"
        yield from map(_failure, failed)
        yield "\n<details><summary>What was sent</summary>\n"
        for row in failed:
            lines = [line.partition(": ") for line in _asked(_case(row), b"~")]
            yield f"- `{_name(_case(row))}` " + ", ".join(f"{title} {_code(data)}" for title, _, data in lines)
        yield "\n</details>\n"
    names = [f"`{_name(_case(row))}`" for row in family if row not in failed]
    if names:
        yield f"<details><summary>{len(names)} passed by all</summary>\n\n{', '.join(names)}\n\n</details>\n"


def _failure(row: Mapping[str, Result]) -> str:
    """A row of a table; those who did the same stand together."""
    case = _case(row)
    done: dict[str, list[str]] = {}
    for name, one in row.items():
        if one.wrong:
            done.setdefault(one.wrong.replace(one.seen.key.decode(), "~"), []).append(name)
    told = "; ".join(f"**{', '.join(names)}** {_plain(wrong)}" for wrong, names in done.items())
    return f"| `{_name(case)}` | {case.level.value}, {case.clause}. {_plain(case.duty)} | {told} |"


def _case(row: Mapping[str, Result]) -> Case:
    return next(iter(row.values())).case


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
    return re.sub(r"[\\`*_<>|\[\]#~]", r"\\\g<0>", text)


def _name(case: Case) -> str:
    """Its name in its family, as a cell of a table may have it."""
    return case.name.partition("/")[2].replace("|", "\\|").replace("`", "'")
