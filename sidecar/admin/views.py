"""The admin's pages: each turns what the subject tells into one answer.

No view changes anything; the verbs ask the subject. What a verb is sent to is named by its label in the metrics and in
/status, so that what an alert says can be pasted into a command.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from aiohttp import web

from sidecar.admin import health, page
from sidecar.admin.event_stream import EventStream
from sidecar.admin.subject import Subject
from sidecar.telemetry.parts import Part, in_turns

View = Callable[[web.Request], Awaitable[web.StreamResponse]]

_WAIT = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)(ms|s|m)?")
_SECONDS_IN = {"ms": 0.001, "s": 1.0, "m": 60.0, None: 1.0}
_LONGEST_WAIT = 3600.0

_BREAKER_VERBS = ("open", "close", "auto")
_ENDPOINT_VERBS = ("drain", "ready")

_PATHS = (
    ("GET", "/", "the live dashboard"),
    ("GET", "/help", "this list"),
    ("GET", "/livez", "200 while the process runs its loop"),
    ("GET", "/readyz", "200 when it may be sent traffic; ?verbose names each condition"),
    ("GET", "/startupz", "200 once it has been ready"),
    ("GET", "/metrics", "Prometheus text, OpenMetrics when asked for"),
    ("GET", "/status", "everything that moves, as one JSON object"),
    ("GET", "/config", "the rules in force, secrets redacted"),
    ("GET", "/rules?name=RULE", "the keys behind the rule that a refusal names, and where they are written"),
    ("GET", "/events", "what changes state, and why, as server-sent events; ?format=json: the last 256"),
    ("GET", "/debug/{tasks,memory,loop}", "the inside of every process; as closed as the verbs"),
    ("GET", "/debug/profile", "where the time goes, as a flame graph; ?seconds=5, ?format=folded"),
    ("POST", "/breakers/NAME/{open,close,auto}", "hold a breaker open or closed, or give it back to its rule"),
    ("POST", "/endpoints/NAME/{drain,ready}", "send an endpoint no more requests, or some again"),
    ("POST", "/reload", "read the rules again; tells what changed, or every problem"),
    ("POST", "/drain", "stop taking work and end; ?wait=30s answers when drained"),
)


class Views:
    """The views over one subject."""

    def __init__(self, subject: Subject, stream: EventStream) -> None:
        self._subject = subject
        self._stream = stream

    def routes(self) -> list[web.RouteDef]:
        """Every path with its view."""
        return [
            web.get("/", page.index),
            web.get("/dashboard/{name}", page.part),
            web.get("/help", self.help),
            web.get("/livez", self.livez),
            web.get("/readyz", self.readyz),
            web.get("/startupz", self.startupz),
            web.get("/metrics", self.metrics),
            web.get("/status", self.status),
            web.get("/config", self.config),
            web.get("/rules", self.rules),
            web.get("/events", self.events),
            # An endpoint's name holds slashes; unencoded ones are understood as well.
            web.post("/breakers/{name:.+}/{verb}", self.breaker),
            web.post("/endpoints/{name:.+}/{verb}", self.endpoint),
            web.post("/reload", self.reload),
            web.post("/drain", self.drain),
        ]

    async def help(self, _request: web.Request) -> web.Response:
        """The paths there are."""
        return web.Response(text="".join(f"{verb:5}{path:34}{about}\n" for verb, path, about in _PATHS))

    async def livez(self, _request: web.Request) -> web.Response:
        """See health.live."""
        return _verdict(health.live())

    async def readyz(self, request: web.Request) -> web.Response:
        """See health.ready."""
        await self._subject.refresh()
        return _verdict(health.ready(self._subject.conditions(), verbose="verbose" in request.query))

    async def startupz(self, _request: web.Request) -> web.Response:
        """See health.started."""
        await self._subject.refresh()
        return _verdict(health.started(has_been_ready=self._subject.has_been_ready))

    async def metrics(self, request: web.Request) -> web.Response:
        """The exposition, in the form asked for."""
        await self._subject.refresh()
        written, kind = self._subject.exposition(", ".join(request.headers.getall("Accept", ())))
        pieces = []
        for piece in written:
            pieces.append(piece)
            await asyncio.sleep(0)  # each piece is a turn's work already, on the loop that serves
        return web.Response(body=b"".join(pieces), headers={"Content-Type": kind})

    async def status(self, _request: web.Request) -> web.Response:
        """The snapshot."""
        await self._subject.refresh()
        pieces = [piece async for piece in in_turns(_in_lines(self._subject.status()))]
        return web.Response(body=b"".join(pieces), content_type="application/json", charset="utf-8")

    async def config(self, _request: web.Request) -> web.Response:
        """The effective rules."""
        return as_json(self._subject.effective_rules())

    async def rules(self, request: web.Request) -> web.Response:
        """The keys behind the name of a rule, with their places; 404 where the rules in force have no such."""
        name = request.query.get("name", "")
        keys = self._subject.rule(name)
        if not keys:
            return problem(404, f"the rules in force have no rule `{name}`; it may have been reloaded away")
        return as_json({"rule": name, "keys": list(keys)})

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Events as they come; the last ones as JSON for who asks for that."""
        if request.query.get("format") == "json" or request.headers.get("Accept") == "application/json":
            return as_json({"events": list(self._subject.events())})
        return await self._stream.serve(request)

    async def breaker(self, request: web.Request) -> web.Response:
        """200 when the breaker obeys; 404 names those there are."""
        subject = self._subject
        await subject.refresh()
        name, verb = request.match_info["name"], request.match_info["verb"]
        if verb not in _BREAKER_VERBS:
            return _unknown("verb of a breaker", verb, _BREAKER_VERBS)
        if not subject.command_breaker(name, verb):
            return _unknown("breaker", name, subject.breaker_names())
        return as_json({"breaker": name, "verb": verb})

    async def endpoint(self, request: web.Request) -> web.Response:
        """200 when the endpoint is drained, or takes attempts again; 404 names those there are."""
        subject = self._subject
        await subject.refresh()
        name, verb = request.match_info["name"], request.match_info["verb"]
        if verb not in _ENDPOINT_VERBS:
            return _unknown("verb of an endpoint", verb, _ENDPOINT_VERBS)
        if not subject.command_endpoint(name, verb):
            return _unknown("endpoint", name, subject.endpoint_names())
        return as_json({"endpoint": name, "verb": verb})

    async def reload(self, _request: web.Request) -> web.Response:
        """200 with the report; 422 with every problem when the rules cannot be used, and those of before stay."""
        report = await self._subject.reload("POST /reload")
        if report["result"] == "failed":
            return problem(422, "the rules cannot be used; those of before stay in force", **report)
        return as_json(report)

    async def drain(self, request: web.Request) -> web.Response:
        """202 at once; with `wait`, 200 when drained or 504 when it took longer."""
        wait = request.query.get("wait")
        seconds = None if wait is None else _duration(wait)
        self._subject.start_drain("POST /drain")
        if seconds is None:
            return as_json({"draining": True}, status=202)
        if await self._subject.drained(seconds):
            return as_json({"draining": True, "drained": True})
        return as_json({"draining": True, "drained": False}, status=504)


def as_json(value: object, *, status: int = 200) -> web.Response:
    """A JSON answer, indented because people read it too."""
    return web.json_response(value, status=status, dumps=lambda told: json.dumps(told, indent=2) + "\n")


def _in_lines(parts: Iterable[Part]) -> Iterator[bytes]:
    """The members of a large object on lines of their own, and of those that hold several the same: as people can still
    read it, at a quarter of what indenting all of ten thousand routes costs. A line is a piece."""
    before, last, end = "{\n", None, ""
    for part in parts:
        yield b""  # to make it was work, whatever is in it
        for key, value in part.items():
            brackets = _brackets(value)
            if key != last:
                yield f"{end}{before}  {json.dumps(key)}: {brackets[:1] or json.dumps(value)}".encode()
                before, last, end, begin = ",\n", key, brackets[1:], "\n"
            if brackets:
                for member in _members(value):
                    yield f"{begin}    {member}".encode()
                    begin, end = ",\n", f"\n  {brackets[1]}"
    yield f"{end}\n}}\n".encode()


def _brackets(value: object) -> str:
    """Those of what holds several; nothing for anything else."""
    if isinstance(value, Mapping):
        return "{}"
    return "[]" if isinstance(value, list) and all(isinstance(one, Mapping) for one in value) else ""


def _members(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        return (f"{json.dumps(key)}: {json.dumps(one)}" for key, one in value.items())
    return (json.dumps(one) for one in value)


def problem(status: int, sentence: str, **members: object) -> web.Response:
    """An error as problem+json (RFC 9457); `members` are extensions of it (section 3.2)."""
    told = {"type": "about:blank", "status": status, "detail": sentence, **members}
    return web.json_response(told, status=status, content_type="application/problem+json")


def _unknown(kind: str, name: str, known: Sequence[str]) -> web.Response:
    told = f"there is no {kind} `{name}`; there is {', '.join(f'`{one}`' for one in known) or 'none'}"
    return problem(404, told, known=list(known))


def _verdict(verdict: health.Verdict) -> web.Response:
    return web.Response(status=verdict.status, text=verdict.text)


def _duration(text: str) -> float:
    match = _WAIT.fullmatch(text)
    if match is None:
        raise web.HTTPBadRequest(text=f"`{text}` is not a duration; write it as 30s")
    return min(float(match[1]) * _SECONDS_IN[match[2]], _LONGEST_WAIT)
