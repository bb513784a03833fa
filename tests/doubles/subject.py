"""A subject for the admin server that answers what a test sets, and remembers what it was asked to do."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from sidecar.admin.subject import Condition
from sidecar.debug.terms import Terms
from sidecar.telemetry.parts import Part


class FakeSubject:
    def __init__(self) -> None:
        self.told: list[Condition] = [Condition("rules", holds=True, detail="3 routes")]
        self.has_been_ready = True
        self.drains: list[str] = []
        self.listeners: list[Callable[[Mapping[str, object]], None]] = []
        self.rules: dict[str, Sequence[Mapping[str, object]]] = {}
        self.told_events: list[Mapping[str, object]] = []
        self.breakers: dict[str, str] = {"upstream.app": "auto"}
        self.endpoints: dict[str, str] = {"app/127.0.0.1:3000": "ready", "app/unix:/run/app.sock": "ready"}
        self.inspected: list[tuple[Terms, int | None]] = []
        self.inside: Mapping[str, Mapping[str, object]] | Exception = {"sidecar": {"error": "it stands still"}}
        self.metrics: Iterable[bytes] = (b"sidecar_up 1\n",)
        self.status_parts: Iterable[Part] = ({"phase": "serving"},)
        self.reloads: list[str] = []
        self.looks = 0
        self.report: dict[str, object] = {"result": "unchanged", "generation": 1, "changes": [], "problems": []}
        self.ended = asyncio.Event()

    async def refresh(self) -> None:
        self.looks += 1

    def conditions(self) -> Sequence[Condition]:
        return self.told

    def status(self) -> Iterator[Part]:
        yield from self.status_parts

    def effective_rules(self) -> Mapping[str, object]:
        return {"version": 1}

    def exposition(self, accept: str) -> tuple[Iterable[bytes], str]:
        kind = "application/openmetrics-text; version=1.0.0" if "openmetrics" in accept else "text/plain; version=0.0.4"
        return self.metrics, kind

    def events(self) -> Sequence[Mapping[str, object]]:
        return self.told_events

    def follow_events(self, listener: Callable[[Mapping[str, object]], None]) -> Callable[[], None]:
        self.listeners.append(listener)
        return lambda: self.listeners.remove(listener)

    def rule(self, name: str) -> Sequence[Mapping[str, object]]:
        return self.rules.get(name, ())

    def breaker_names(self) -> Sequence[str]:
        return list(self.breakers)

    def command_breaker(self, label: str, verb: str) -> bool:
        return _set(self.breakers, label, verb)

    def endpoint_names(self) -> Sequence[str]:
        return list(self.endpoints)

    def command_endpoint(self, name: str, verb: str) -> bool:
        return _set(self.endpoints, name, verb)

    async def inspect(self, terms: Terms, worker: int | None) -> Mapping[str, Mapping[str, object]]:
        self.inspected.append((terms, worker))
        if isinstance(self.inside, Exception):
            raise self.inside
        return self.inside

    async def reload(self, why: str) -> Mapping[str, object]:
        self.reloads.append(why)
        return self.report

    def start_drain(self, why: str) -> None:
        self.drains.append(why)

    async def drained(self, seconds: float) -> bool:
        return self.ended.is_set()


def _set(known: dict[str, str], name: str, verb: str) -> bool:
    if name in known:
        known[name] = verb
    return name in known
