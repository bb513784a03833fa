"""Several processes counted as one: a worker dumps what it counts, the supervisor adds the dumps up.

Owns how each figure of several processes becomes one, in the tables below. What a process has counted outlives it, so
that no counter ever goes down: when a worker dies, its last dump is added to the sum of the departed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from types import SimpleNamespace
from typing import Any, cast

from prometheus_client.core import Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from sidecar.telemetry.events import Events
from sidecar.telemetry.listener_stats import ListenerStats
from sidecar.telemetry.metrics import Metrics
from sidecar.telemetry.parts import Part, joined
from sidecar.telemetry.stats import BreakerStats, Reading, RouteStats, Stats, UpstreamStats

# Plain containers only, and nothing that is zero: a worker sends one at each look.
Dump = Mapping[str, Any]
# The figures of one route, upstream or breaker: numbers, histograms, and counts by label.
Figures = dict[str, Any]

# Of those, what is true now only, and gone with its process. All others are counts.
_PASSING = frozenset({"in_flight"})

_Choice = Callable[[Any, Sequence[Any]], Any]

# The other figures of `Stats`: of the supervisor's own and those of the workers, which one is the instance's.
COUNTERS = (
    "access_log_dropped",
    "accept_pauses",
    "drain_cut_requests",
    "log_dropped",
    "spans_dropped",
    "spans_exported",
    "spans_failed",
)
CHOICES: dict[str, _Choice] = {
    "accepting": lambda own, workers: any(workers) if workers else own,
    # The whole instance is where the last of its workers is, unless the supervisor knows better.
    "drain_phase": lambda own, workers: max(own, min(workers, default=own)),
    "loop_lag": lambda own, workers: max([own, *workers]),
    "memory_resident": lambda own, workers: own + sum(workers),
    # Each worker has a share of it.
    "memory_limit": lambda own, workers: sum(filter(None, workers)) or own,
}
# Only the supervisor knows: a worker that was started again has seen one set of rules, and no reload.
OWN = (
    "config_generation",
    "config_hash",
    "config_reload_failed",
    "config_reloaded_at",
    "config_reloads",
    "drain_deadline",
    "events",
    "worker_restarts",
    "workers_up",
)
# What is counted by name, in what the rules name so.
KINDS = ("routes", "upstreams", "breakers", "listeners")
SIDES = ("downstream_connections", "upstream_connections")

# What the machines tell (`Stats.readings`): True where every worker tells the instance's figure, because the machine's
# state is shared; False where each has its own part.
SHARED_READINGS: dict[str, bool] = {
    "breaker_state": True,
    "concurrency_in_flight": True,
    "concurrency_limit": True,
    "concurrency_queued": True,
    "held_requests": False,
    "rate_limit_evictions": True,
    "retry_budget_available": False,
    "tls_certificate_expiry_timestamp_seconds": True,
}

# Of the usual figures of a process: what is added up, and whether it outlives the process. Those of the supervisor
# alone are the others: when the instance was started.
_PROCESS = {
    "process_cpu_seconds_total": True,
    "process_resident_memory_bytes": False,
    "process_virtual_memory_bytes": False,
    "process_open_fds": False,
    "process_max_fds": False,
}
_PROCESSES = ProcessCollector(registry=None)


def dump(stats: Stats) -> Dump:
    """What a worker tells of its counts. Kept names without counts are told too: they are in the rules."""
    return joined(dump_in_parts(stats))


def dump_in_parts(stats: Stats) -> Iterator[Part]:
    """The same in parts (telemetry.parts); what one name has counted is of one instant. Two of these must not be made
    at once: of what was told in the second, some would be older than in the first."""
    yield {"made": time.monotonic()}
    for kind in KINDS:
        yield {kind: {}}
        for name, counted in list(getattr(stats, kind).items()):
            yield {kind: {name: _told(counted)}}
    readings: dict[tuple[str, tuple[str, ...]], float] = {}
    for name, labels, value in stats.readings():
        readings[name, labels] = readings.get((name, labels), 0.0) + value
        yield {}
    yield {"readings": {}}
    for reading, value in readings.items():
        yield {"readings": {reading: value}}
    yield {
        "unrouted": _told(stats.unrouted),
        "sides": {side: _told(getattr(stats, side)) for side in SIDES},
        "counters": {name: getattr(stats, name) for name in COUNTERS},
        "chosen": {name: getattr(stats, name) for name in CHOICES},
        "available": [tuple(one) for one in stats.endpoint_availability()],
        "process": {name: value for name, value in _of_this_process() if name in _PROCESS},
    }


class Merged:
    """The counts of an instance. `own` are the supervisor's: its events, its reloads, its workers."""

    def __init__(self, own: Stats) -> None:
        self._own = own
        self._latest: dict[int, Dump] = {}  # by worker; the one that was looked at last is the last
        self._departed: dict[str, Any] = {"unrouted": {}, "counters": {}, "process": {}}
        self._departed |= {kind: {} for kind in KINDS}

    def update(self, worker: int, told: Dump) -> None:
        """A dump of the process that has this place; one that was begun before the last is none to listen to."""
        before = self._latest.get(worker)
        if before is not None and told["made"] < before["made"]:
            return
        self._latest.pop(worker, None)
        self._latest[worker] = told

    def lost(self, worker: int) -> None:
        """That process is gone: what it counted stays."""
        told = self._latest.pop(worker, None)
        if told is None:
            return
        _add(self._departed["unrouted"], _lasting(told["unrouted"]))
        for kind in KINDS:
            for name, figures in told[kind].items():
                _add(self._departed[kind].setdefault(name, {}), _lasting(figures))
            self._forget(kind)
        _add(self._departed["counters"], told["counters"])
        _add(self._departed["process"], {name: value for name, value in told["process"].items() if _PROCESS[name]})

    def departed(self) -> tuple[RouteStats, Iterator[tuple[str, RouteStats]], Iterator[tuple[str, UpstreamStats]]]:
        """What workers that are gone have counted: where no route matched, by route, and by upstream."""
        gone = self._departed
        for kind in ("routes", "upstreams"):
            self._forget(kind)
        unrouted, route, upstream = RouteStats(), RouteStats(), UpstreamStats("", Events())
        return (
            cast("RouteStats", _sum(unrouted, [gone["unrouted"]])),
            ((name, cast("RouteStats", _sum(route, [sums]))) for name, sums in list(gone["routes"].items())),
            ((name, cast("UpstreamStats", _sum(upstream, [sums]))) for name, sums in list(gone["upstreams"].items())),
        )

    def exposition(self, build: Mapping[str, str], accept: str) -> tuple[Iterator[bytes], str]:
        """See Metrics.pieces, for the instance."""
        return Metrics(self.stats(), build, _Processes(self._processes())).pieces(accept)

    def stats(self) -> Stats:
        """The counts of this moment, to be looked at and then let go: adding to them adds to nothing."""
        stats, latest = Stats(self._own.events), list(self._latest.values())
        for name in OWN:
            setattr(stats, name, getattr(self._own, name))
        for name in COUNTERS:
            lasting = self._departed["counters"].get(name, 0)
            setattr(stats, name, getattr(self._own, name) + lasting + sum(told["counters"][name] for told in latest))
        for name, choose in CHOICES.items():
            setattr(stats, name, choose(getattr(self._own, name), [told["chosen"][name] for told in latest]))
        for side in SIDES:
            for told in latest:
                for state, count in told["sides"][side].items():
                    connections = getattr(stats, side)
                    setattr(connections, state, getattr(connections, state) + count)
        stats.unrouted = cast("RouteStats", _sum(RouteStats(), [part["unrouted"] for part in self._parts()]))
        # What these hold has the figures of a RouteStats and so on, and no more: nobody observes with them.
        stats.routes = cast("dict[str, RouteStats]", self._sums("routes", RouteStats()))
        stats.upstreams = cast("dict[str, UpstreamStats]", self._sums("upstreams", UpstreamStats("", Events())))
        stats.breakers = cast("dict[str, BreakerStats]", self._sums("breakers", BreakerStats("", Events())))
        stats.listeners = cast("dict[str, ListenerStats]", self._sums("listeners", ListenerStats()))
        available = self._available()
        readings = self._readings()
        stats.endpoint_availability = lambda: available
        stats.readings = lambda: readings
        return stats

    def _parts(self) -> list[Mapping[str, Any]]:
        return [self._departed, *self._latest.values()]

    def _sums(self, kind: str, empty: object) -> dict[str, SimpleNamespace]:
        self._forget(kind)
        names = dict.fromkeys(name for part in self._parts() for name in part[kind])
        return {name: _sum(empty, [part[kind].get(name, {}) for part in self._parts()]) for name in names}

    def _forget(self, kind: str) -> None:
        """What no process knows any more is in the rules no more. (While there is none, nobody knows that.)"""
        if self._latest:
            known = {name for told in self._latest.values() for name in told[kind]}
            self._departed[kind] = {name: sums for name, sums in self._departed[kind].items() if name in known}

    def _available(self) -> list[tuple[str, str, bool]]:
        found: dict[tuple[str, str], bool] = {}
        for told in self._latest.values():
            for upstream, endpoint, is_available in told["available"]:
                found[upstream, endpoint] = found.get((upstream, endpoint), False) or is_available
        return [(upstream, endpoint, is_available) for (upstream, endpoint), is_available in found.items()]

    def _readings(self) -> list[Reading]:
        latest = list(self._latest.values())
        return [
            (name, labels, value)
            for told in latest
            for (name, labels), value in told["readings"].items()
            # Of one worker and all at once: a breaker is in one state only, whichever changed its state meanwhile.
            if told is latest[-1] or not SHARED_READINGS.get(name, False)
        ]

    def _processes(self) -> dict[str, float]:
        sums: dict[str, float] = dict(self._departed["process"])
        for told in self._latest.values():
            _add(sums, told["process"])
        return sums


class _Processes(Collector):
    """The usual figures of a process, the workers' added to our own."""

    def __init__(self, workers: Mapping[str, float]) -> None:
        self._workers = workers

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        for family in _PROCESSES.collect():
            family.samples = [
                sample._replace(value=sample.value + self._workers.get(sample.name, 0.0)) for sample in family.samples
            ]
            yield family


def _of_this_process() -> Iterator[tuple[str, float]]:
    for family in _PROCESSES.collect():
        for sample in family.samples:
            yield sample.name, sample.value


@cache
def _names(kind: type) -> tuple[str, ...]:
    """What an object of this class has to tell; compiled ones have no `__slots__` to ask."""
    return tuple(name for name in dir(kind) if not name.startswith("_") and not callable(getattr(kind, name)))


def _figures(counted: object) -> Figures:
    kind: Any = type(counted)
    figures = {name: getattr(counted, name) for name in _names(kind)}
    return {name: value for name, value in figures.items() if not isinstance(value, str)}


def _told(counted: object) -> Figures:
    """The figures that are not zero, as values of their own."""
    figures: Figures = {}
    for name, value in _figures(counted).items():
        if isinstance(value, dict):
            figures[name] = {label: count for label, count in value.items() if count}
        else:
            figures[name] = list(value) if isinstance(value, list) else value
    return {name: value for name, value in figures.items() if (any(value) if isinstance(value, list) else value)}


def _lasting(figures: Figures) -> Figures:
    return {name: value for name, value in figures.items() if name not in _PASSING}


def _sum(empty: object, parts: Iterable[Figures]) -> SimpleNamespace:
    """An object like `empty`, with the sums of these."""
    total: Figures = {name: type(value)() for name, value in _figures(empty).items()}
    for name, value in _figures(empty).items():
        if isinstance(value, list):
            total[name] = [0] * len(value)
    for part in parts:
        _add(total, part)
    return SimpleNamespace(**total)


def _add(into: Figures, figures: Mapping[str, Any]) -> None:
    for name, value in figures.items():
        if isinstance(value, dict):
            _add(into.setdefault(name, {}), value)
        elif isinstance(value, list):
            before = into.get(name) or [0] * len(value)
            into[name] = [one + other for one, other in zip(before, value, strict=True)]
        elif isinstance(value, tuple):  # an exemplar: whoever's, but a sampled trace stays until another one comes
            if value[2] or name not in into or not into[name][2]:
                into[name] = value
        else:
            into[name] = into.get(name, 0) + value
