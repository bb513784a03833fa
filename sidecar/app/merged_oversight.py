"""What the admin address is told of an instance of several workers: their parts, put together. A verb goes to all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

from sidecar import __version__
from sidecar.admin.subject import Condition
from sidecar.app.banner import build
from sidecar.app.drain import Drain
from sidecar.app.lifecycle import Lifecycle, Phase
from sidecar.app.merged_inspection import MergedInspection
from sidecar.app.merged_status import RULES, SERVING, merge_conditions, merge_status
from sidecar.app.messages import Command
from sidecar.app.reload import Reloader
from sidecar.app.sights import Seen, Sights
from sidecar.app.status import causes_of_opening, counted, with_causes
from sidecar.debug.terms import Terms, weight
from sidecar.rules.effective import effective
from sidecar.rules.lookup import keys_of_rule
from sidecar.telemetry.parts import Part
from sidecar.telemetry.stats import Stats
from sidecar.workers.crew import Crew
from sidecar.workers.link import LinkEndedError


class MergedOversight:
    """See admin.subject.Subject. `file` is where the rules came from, None for none. `drained_endpoints` are those that
    an operator has drained: a worker that is started again has not heard of it."""

    def __init__(
        self,
        file: str | None,
        *,
        crew: Crew,
        sights: Sights,
        stats: Stats,
        lifecycle: Lifecycle,
        drain: Drain,
        reloader: Reloader,
    ) -> None:
        self._file = file
        self._crew = crew
        self._sights = sights
        self._stats = stats
        self._lifecycle = lifecycle
        self._drain = drain
        self._reloader = reloader
        self._inspection = MergedInspection(crew)
        self.drained_endpoints: set[str] = set()
        self._was_ready = False
        self._started = time.monotonic()
        self._build = build()

    async def refresh(self) -> None:
        """See Subject."""
        await self._sights.refresh(self._crew)

    @property
    def has_been_ready(self) -> bool:
        """See Subject."""
        self.conditions()
        return self._was_ready

    def conditions(self) -> Sequence[Condition]:
        """See Subject."""
        merged = merge_conditions({slot: sight.conditions for slot, sight in self._sights.last.items()})
        told = {condition.name: condition for condition in merged}
        told[RULES] = Condition(RULES, holds=True, detail=f"generation {self._reloader.generation}")
        if self._lifecycle.phase is not Phase.SERVING:
            told[SERVING] = Condition(SERVING, holds=False, detail=self._drain.standing())
        if all(condition.holds for condition in told.values()):
            self._was_ready = True
        return list(told.values())

    def status(self) -> Iterator[Part]:
        """See Subject."""
        loaded, reloader = self._reloader.current, self._reloader
        own = {
            "version": __version__,
            "phase": self._lifecycle.phase.word,
            "uptime_seconds": round(time.monotonic() - self._started, 3),
            "time": round(time.time(), 3),
            "rules": {"file": self._file, "hash": loaded.digest, "generation": reloader.generation},
            "reload": reloader.as_mapping(),
            "drain": self._drain.snapshot(),
        }
        statuses = {slot: sight.status for slot, sight in self._sights.last.items()}
        departed = counted(*self._sights.merged.departed())
        parts = merge_status(statuses, self.conditions(), self._crew.members, own, departed, self._sights.silent)
        causes = causes_of_opening(self._stats.events.recent)  # each worker knows only of those it has opened itself
        return (with_causes(part, causes) for part in parts)

    def effective_rules(self) -> Mapping[str, object]:
        """See Subject."""
        loaded = self._reloader.current
        return effective(loaded.rules, loaded.secrets)

    def exposition(self, accept: str) -> tuple[Iterable[bytes], str]:
        """See Subject."""
        return self._sights.merged.exposition(self._build, accept)

    def events(self) -> Sequence[Mapping[str, object]]:
        """See Subject."""
        return [event.as_mapping() for event in self._stats.events.recent]

    def follow_events(self, listener: Callable[[Mapping[str, object]], None]) -> Callable[[], None]:
        """See Subject."""
        return self._stats.events.subscribe(lambda event: listener(event.as_mapping()))

    def rule(self, name: str) -> Sequence[Mapping[str, object]]:
        """See Subject."""
        return [one.as_mapping() for one in keys_of_rule(self._reloader.current, name)]

    def breaker_names(self) -> Sequence[str]:
        """See Subject."""
        return self._known(lambda sight: sight.breakers)

    def command_breaker(self, label: str, verb: str) -> bool:
        """See Subject."""
        return self._command("breaker", label, verb, self.breaker_names())

    def endpoint_names(self) -> Sequence[str]:
        """See Subject."""
        return self._known(lambda sight: sight.endpoints)

    def command_endpoint(self, name: str, verb: str) -> bool:
        """See Subject."""
        if not self._command("endpoint", name, verb, self.endpoint_names()):
            return False
        if verb == "drain":
            self.drained_endpoints.add(name)
        else:
            self.drained_endpoints.discard(name)
        return True

    async def inspect(self, terms: Terms, worker: int | None) -> Mapping[str, Mapping[str, object]]:
        """See Subject."""
        self._inspection.demand(terms, worker)
        if done := weight(terms):
            subject = "instance" if worker is None else f"worker {worker}"
            self._stats.events.tell("debug", subject, done)
        return await self._inspection.inspect(terms, worker)

    async def reload(self, why: str) -> Mapping[str, object]:
        """See Subject."""
        return (await self._reloader.reload(why)).as_mapping()

    def start_drain(self, why: str) -> None:
        """See Subject."""
        self._drain.begin(why)

    async def drained(self, seconds: float) -> bool:
        """See Subject."""
        return await self._lifecycle.reached(Phase.CLOSING, seconds)

    def _known(self, names: Callable[[Seen], Sequence[str]]) -> Sequence[str]:
        return list(dict.fromkeys(name for sight in self._sights.last.values() for name in names(sight)))

    def _command(self, kind: str, name: str, verb: str, known: Sequence[str]) -> bool:
        if name not in known:
            return False
        self._stats.events.tell("command", name, f"POST /{kind}s/…/{verb}", {"verb": verb})
        for worker in self._crew.workers:
            with suppress(LinkEndedError):
                worker.link.tell(Command(kind, name, verb))
        return True
