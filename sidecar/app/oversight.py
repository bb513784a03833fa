"""What the admin address is told of the proxy, and the few things it may ask: the Subject of admin."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sidecar import __version__
from sidecar.admin.subject import Condition
from sidecar.app import machines, status
from sidecar.app.banner import build, is_compiled
from sidecar.app.channels import Channels
from sidecar.app.credentials import certificates_of, name_of
from sidecar.app.doors import Door, Doors
from sidecar.app.drain import Drain
from sidecar.app.inspection import Inspection
from sidecar.app.lifecycle import Lifecycle, Phase
from sidecar.app.pressure import Pressure
from sidecar.app.reload import Reloader
from sidecar.debug.terms import NoSuchWorkerError, Terms, weight
from sidecar.health.verdicts import Verdicts
from sidecar.rules.effective import effective
from sidecar.rules.load import Loaded
from sidecar.rules.lookup import keys_of_rule
from sidecar.runtime.endpoint import Endpoint
from sidecar.runtime.generation import Current
from sidecar.runtime.upstream import Upstream
from sidecar.telemetry.metrics import Metrics
from sidecar.telemetry.parts import Part
from sidecar.telemetry.stats import BOUNDS, Reading, Stats

if TYPE_CHECKING:
    from sidecar.tls.certificates import CertificateFacts


class Oversight:
    """See admin.subject.Subject. Made once for each process.

    `file` is where the rules came from, None for none; `clock` gives monotonic seconds.
    """

    def __init__(
        self,
        loaded: Loaded,
        file: str | None,
        *,
        current: Current,
        stats: Stats,
        lifecycle: Lifecycle,
        drain: Drain,
        doors: Doors,
        channels: Channels,
        verdicts: Verdicts,
        pressure: Pressure,
        inspection: Inspection,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._was_ready = False
        self._loaded = loaded
        self._certificates = certificates_of(loaded)
        self._file = file
        self._current = current
        self._stats = stats
        self._lifecycle = lifecycle
        self._drain = drain
        self._doors = doors
        self._channels = channels
        self._verdicts = verdicts
        self._pressure = pressure
        self.inspection = inspection
        self.reloader: Reloader | None = None  # where there is nothing to read again, nobody reloads
        self._clock = clock
        self._started = clock()
        self._compiled = is_compiled()
        self._metrics = Metrics(stats, build())
        stats.endpoint_availability = self._availability
        stats.readings = self._readings

    def follow(self, loaded: Loaded) -> None:
        """These are the rules in force from now on."""
        self._loaded = loaded
        self._certificates = certificates_of(loaded)

    async def refresh(self) -> None:
        """See Subject. All that it tells of is in this process."""

    @property
    def has_been_ready(self) -> bool:
        """See Subject."""
        self.conditions()
        return self._was_ready

    def conditions(self) -> Sequence[Condition]:
        """See Subject."""
        runtime = self._current.runtime
        now = self._clock()
        phase = self._lifecycle.phase
        told = [
            Condition("rules", holds=True, detail=f"generation {runtime.number}"),
            Condition("serving", holds=phase is Phase.SERVING, detail=self._drain.standing()),
        ]
        for name, upstream in runtime.upstreams.items():
            available, detail = machines.standing(upstream, now, self._verdicts.why, self._channels.is_available)
            told.append(Condition(f"upstream {name}", holds=available > 0, detail=detail))
        if all(condition.holds for condition in told):
            self._was_ready = True
        return told

    def status(self) -> Iterator[Part]:
        """See Subject."""
        runtime, stats = self._current.runtime, self._stats
        clock = self._clock
        yield {
            "version": __version__,
            "compiled": self._compiled,
            "phase": self._lifecycle.phase.word,
            "uptime_seconds": round(clock() - self._started, 3),
            "time": round(time.time(), 3),
            "not_ready": [f"{one.name}: {one.detail}" for one in self.conditions() if not one.holds],
            "rules": {"file": self._file, "hash": runtime.digest, "generation": runtime.number},
            "reload": None if self.reloader is None else self.reloader.as_mapping(),
            "listeners": [self._listener(door) for door in self._doors.all],
            "connections": status.connections(stats),
            "pressure": self._pressure.status(),
            "drain": self._drain.snapshot(),
            "loop_lag_seconds": stats.loop_lag,
            "latency_bounds": list(BOUNDS),
        }
        yield {"routes": []}
        for route in status.routes(runtime, stats, clock):
            yield {"routes": [route]}
        yield {"upstreams": []}
        shown = {name: self._shown(f"upstream.{name}") for name in runtime.upstreams}
        for upstream in status.upstreams(runtime, stats, self._channels.pools, clock, self._verdicts.why, shown):
            yield {"upstreams": [upstream]}
        yield {"breakers": {}}
        causes = status.causes_of_opening(stats.events.recent)
        for label, breaker in status.breakers(runtime, clock):
            yield status.with_causes({"breakers": {label: breaker}}, causes)

    def effective_rules(self) -> Mapping[str, object]:
        """See Subject."""
        return effective(self._loaded.rules, self._loaded.secrets)

    def exposition(self, accept: str) -> tuple[Iterable[bytes], str]:
        """See Subject."""
        return self._metrics.pieces(accept)

    def events(self) -> Sequence[Mapping[str, object]]:
        """See Subject."""
        return [event.as_mapping() for event in self._stats.events.recent]

    def follow_events(self, listener: Callable[[Mapping[str, object]], None]) -> Callable[[], None]:
        """See Subject."""
        return self._stats.events.subscribe(lambda event: listener(event.as_mapping()))

    def rule(self, name: str) -> Sequence[Mapping[str, object]]:
        """See Subject."""
        return [one.as_mapping() for one in keys_of_rule(self._loaded, name)]

    def breaker_names(self) -> Sequence[str]:
        """See Subject."""
        return tuple(self._current.runtime.breakers)

    def command_breaker(self, label: str, verb: str) -> bool:
        """See Subject."""
        breaker = self._current.runtime.breakers.get(label)
        if breaker is None:
            return False
        self._commanded("breakers", label, verb)  # told first: what follows from it is told by the breaker itself
        breaker.force(self._clock(), verb)
        return True

    def endpoint_names(self) -> Sequence[str]:
        """See Subject."""
        return tuple(endpoint.name for endpoint in self._current.runtime.endpoints())

    def command_endpoint(self, name: str, verb: str) -> bool:
        """See Subject."""
        for upstream in self._current.runtime.upstreams.values():
            for endpoint in upstream.endpoints:
                if endpoint.name == name:
                    self._commanded("endpoints", name, verb)
                    if verb == "drain":
                        endpoint.drained = True
                        upstream.endpoints_changed(self._clock())
                    else:
                        _make_ready(upstream, endpoint, self._clock())
                    return True
        return False

    async def inspect(self, terms: Terms, worker: int | None) -> Mapping[str, Mapping[str, object]]:
        """See Subject."""
        if worker is not None:
            raise NoSuchWorkerError(worker, ())
        self.inspection.demand_free(terms)
        if done := weight(terms):
            self._stats.events.tell("debug", "instance", done)
        return {"sidecar": await self.inspection.answer(terms)}

    async def reload(self, why: str) -> Mapping[str, object]:
        """See Subject."""
        if self.reloader is None:
            raise RuntimeError("this proxy is led by somebody else, who reloads it")
        return (await self.reloader.reload(why)).as_mapping()

    def start_drain(self, why: str) -> None:
        """See Subject."""
        self._drain.begin(why)

    async def drained(self, seconds: float) -> bool:
        """See Subject."""
        return await self._lifecycle.reached(Phase.CLOSING, seconds)

    def _availability(self) -> Iterator[tuple[str, str, bool]]:
        now = self._clock()
        for name, upstream in self._current.runtime.upstreams.items():
            for endpoint in upstream.endpoints:
                yield name, endpoint.name, self._is_available(upstream, endpoint, now)

    def _readings(self) -> Iterable[Reading]:
        yield from machines.readings(self._current.runtime, self._clock())
        ends: dict[tuple[str, str], float] = {}
        for owner, facts in self._certificates:
            place = (owner, name_of(facts))
            ends[place] = min(facts.not_after, ends.get(place, facts.not_after))
        for place, end in ends.items():
            yield "tls_certificate_expiry_timestamp_seconds", place, end

    def _listener(self, door: Door) -> dict[str, Any]:
        certificates = self._shown(f"listener.{door.rule.name}")
        return status.listener(door.rule, door.address, len(door.listener.registry), self._stats, certificates)

    def _shown(self, owner: str) -> list[CertificateFacts]:
        return [facts for whose, facts in self._certificates if whose == owner]

    def _is_available(self, upstream: Upstream, endpoint: Endpoint, now: float) -> bool:
        return self._channels.is_available(endpoint) and machines.takes_attempts(upstream, endpoint, now)

    def _commanded(self, collection: str, name: str, verb: str) -> None:
        self._stats.events.tell("command", name, f"POST /{collection}/…/{verb}", {"verb": verb})


def _make_ready(upstream: Upstream, endpoint: Endpoint, now: float) -> None:
    # One that has its share already keeps it: a command that changes nothing must not begin a slow start.
    barred = not machines.takes_attempts(upstream, endpoint, now)
    endpoint.drained = False
    if barred:
        upstream.recovered(now, endpoint)
