"""The numbers themselves: what observers add to on the path of every request, and scrapes read.

Owns the counts and the histogram bounds. May not know label formats or the exposition: `metrics.py` renders.
Not locked: every writer and the reader are on the loop's thread.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from http import HTTPStatus

from sidecar.model.connections import Connections
from sidecar.model.observer import BreakerObserver, RouteObserver, UpstreamObserver
from sidecar.model.reason import Reason
from sidecar.telemetry.events import Events
from sidecar.telemetry.listener_stats import ListenerStats

# Upper bounds in seconds, inclusive. Half a millisecond is what the sidecar and a near backend cost together; a minute
# is past every default timeout.
BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_BOUNDS = BOUNDS  # where compiled, an array of C doubles
_COUNT = len(BOUNDS)

# An array in C takes a list, but no product.
_NO_SECONDS = (0.0,) * (len(BOUNDS) + 1)
_NONE_SAMPLED = (False,) * (len(BOUNDS) + 1)

# A client may invent methods, and each would be a new series for ever: all others are counted as OTHER. TCP stands for
# a connection without HTTP.
KNOWN_METHODS = frozenset(
    (b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"PATCH", b"OPTIONS", b"TRACE", b"CONNECT", b"QUERY", b"TCP")
)
OTHER_METHOD = b"OTHER"
OTHER_STATUS = 0
STATUSES = 600
# As with methods, where a backend answers with whatever status a path asks for: one that nobody has registered is
# counted by its class, 1 to 5. 499 is ours, for a downstream that left.
KNOWN_STATUSES = frozenset({*HTTPStatus, 499})
_PLACES = [OTHER_STATUS] * 100 + [one if one in KNOWN_STATUSES else one // 100 for one in range(100, STATUSES)]

UNROUTED = "-"

# Endpoints that DNS names come and go for as long as the process lives; the oldest count is dropped.
MAX_EJECTED = 1024
MAX_CHECKED = 4096

CLOSED = "closed"
OPEN = "open"
HALF_OPEN = "half_open"
BREAKER_STATES = (CLOSED, OPEN, HALF_OPEN)

# One exchange of those in a bucket: its trace, its seconds, and whether somebody records that trace.
Exemplar = tuple[bytes, float, bool]

# One figure of a policy's machine: the metric without its prefix, the values of its labels, the value.
Reading = tuple[str, tuple[str, ...], float]


class RouteStats(RouteObserver):
    """What happened on one route."""

    __slots__ = (
        "_counts",
        "_exemplar_sampled",
        "_exemplar_seconds",
        "_exemplar_traces",
        "buckets",
        "fallbacks",
        "in_flight",
        "rejections",
        "retries",
        "retries_skipped",
        "seconds",
        "shadow_rejections",
    )

    def __init__(self) -> None:
        self.in_flight = 0
        self._counts: dict[bytes, list[int]] = {}
        self.buckets: list[int] = [0] * (len(BOUNDS) + 1)
        # By bucket, side by side: no tuple to make for every exchange. Where compiled, the last two are arrays in C.
        self._exemplar_traces: list[bytes] = [b""] * (len(BOUNDS) + 1)
        self._exemplar_seconds = list(_NO_SECONDS)
        self._exemplar_sampled = list(_NONE_SAMPLED)
        self.seconds = 0.0
        self.rejections: dict[tuple[str, str], int] = {}
        self.shadow_rejections: dict[tuple[str, str], int] = {}
        self.retries: dict[str, int] = {}
        self.retries_skipped: dict[str, int] = {}
        self.fallbacks: dict[tuple[str, str], int] = {}

    @property
    def requests(self) -> dict[tuple[bytes, int], int]:
        """How many exchanges ended, by method and status (or its class, or OTHER_STATUS)."""
        return {
            (method, status): count
            for method, counts in self._counts.items()
            for status, count in enumerate(counts)
            if count
        }

    @property
    def exemplars(self) -> dict[int, Exemplar]:
        """The last exchange in a trace, by its bucket; one that is not sampled never stands for one that is."""
        return {
            place: (trace_id, self._exemplar_seconds[place], bool(self._exemplar_sampled[place]))
            for place, trace_id in enumerate(self._exemplar_traces)
            if trace_id
        }

    def started(self) -> None:
        """An exchange began."""
        self.in_flight += 1

    def finished(self, method: bytes, status: int, seconds: float, trace_id: bytes, sampled: bool) -> None:
        """The exchange that began is over."""
        self.in_flight -= 1
        # A list by status and not a dict by both: no tuple to make and to hash for every exchange.
        counts = self._counts.get(method)
        if counts is None:
            known = method if method in KNOWN_METHODS else OTHER_METHOD
            counts = self._counts.setdefault(known, [0] * STATUSES)
        counts[_PLACES[status] if 0 <= status < STATUSES else OTHER_STATUS] += 1
        place = bucket(seconds)
        self.buckets[place] += 1
        self.seconds += seconds
        if trace_id and (sampled or not self._exemplar_sampled[place]):
            self._exemplar_traces[place] = trace_id
            self._exemplar_seconds[place] = seconds
            self._exemplar_sampled[place] = sampled

    def rejected(self, rule: str, reason: Reason) -> None:
        """The sidecar answered by itself."""
        key = (rule, reason.code)
        self.rejections[key] = self.rejections.get(key, 0) + 1

    def shadow_rejected(self, rule: str, reason: Reason) -> None:
        """A rule in shadow mode would have answered."""
        key = (rule, reason.code)
        self.shadow_rejections[key] = self.shadow_rejections.get(key, 0) + 1

    def retried(self, reason: str) -> None:
        """An attempt is repeated."""
        self.retries[reason] = self.retries.get(reason, 0) + 1

    def retry_skipped(self, why: str) -> None:
        """An attempt that the rules would repeat is not."""
        self.retries_skipped[why] = self.retries_skipped.get(why, 0) + 1

    def fell_back(self, kind: str, cause: str) -> None:
        """The route's fallback answered, or in shadow mode would have."""
        key = (kind, cause)
        self.fallbacks[key] = self.fallbacks.get(key, 0) + 1


class UpstreamStats(UpstreamObserver):
    """What happened towards one upstream."""

    __slots__ = ("_events", "attempts", "buckets", "connects", "ejections", "health_checks", "hold", "name", "seconds")

    def __init__(self, name: str, events: Events) -> None:
        self.name = name
        self._events = events
        self.attempts: dict[str, int] = {}
        self.buckets: list[int] = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0
        self.connects: dict[str, int] = {}
        self.ejections: dict[str, int] = {}
        self.health_checks: dict[tuple[str, str], int] = {}
        self.hold: dict[str, int] = {}

    def attempt_finished(self, outcome: str, seconds: float) -> None:
        """An attempt ended."""
        self.attempts[outcome] = self.attempts.get(outcome, 0) + 1
        self.buckets[bucket(seconds)] += 1
        self.seconds += seconds

    def connected(self, result: str) -> None:
        """A connection was opened, or not."""
        self.connects[result] = self.connects.get(result, 0) + 1

    def ejected(self, endpoint: str, seconds: float) -> None:
        """An endpoint is taken out for `seconds`."""
        if endpoint not in self.ejections and len(self.ejections) >= MAX_EJECTED:
            del self.ejections[next(iter(self.ejections))]
        self.ejections[endpoint] = self.ejections.get(endpoint, 0) + 1
        told = {"upstream": self.name, "seconds": round(seconds, 3)}
        self._events.tell(
            "ejected", endpoint, f"ejected for {seconds:.0f}s after failures in a row", told, alarming=True
        )

    def readmitted(self, endpoint: str) -> None:
        """An ejected endpoint takes attempts again."""
        self._events.tell("readmitted", endpoint, "takes attempts again", {"upstream": self.name})

    def hold_counted(self, result: str) -> None:
        """A request met the hold, or one that was held is so no more."""
        self.hold[result] = self.hold.get(result, 0) + 1

    def hold_began(self) -> None:
        """The first request waits for an endpoint."""
        self._events.tell("hold", self.name, f"holding: no endpoint of {self.name} is available", alarming=True)

    def hold_ended(self, released: int, seconds: float) -> None:
        """Those that wait are being let go."""
        requests = "request" if released == 1 else "requests"
        told = {"released": released, "seconds": round(seconds, 3)}
        self._events.tell("hold", self.name, f"released {released} held {requests} after {seconds:.1f}s", told)

    def checked(self, endpoint: str, result: str) -> None:
        """A health check ended."""
        key = (endpoint, result)
        if key not in self.health_checks and len(self.health_checks) >= MAX_CHECKED:
            del self.health_checks[next(iter(self.health_checks))]
        self.health_checks[key] = self.health_checks.get(key, 0) + 1

    def health_changed(self, endpoint: str, up: bool, why: str, shadow: bool) -> None:
        """Checks found an endpoint up or down."""
        state = "up" if up else "down"
        told = {"upstream": self.name, "to": state, "why": why, "shadow": shadow}
        text = f"would be {state} (shadow): {why}" if shadow else f"{state}: {why}"
        self._events.tell("health", endpoint, text, told, alarming=not up)


class BreakerStats(BreakerObserver):
    """The transitions of one circuit breaker."""

    __slots__ = ("_events", "label", "transitions")

    def __init__(self, label: str, events: Events) -> None:
        self.label = label
        self._events = events
        self.transitions: dict[tuple[str, str], int] = {}

    def transition(self, before: str, after: str, why: str) -> None:
        """The breaker went from one state to another."""
        key = (before, after)
        self.transitions[key] = self.transitions.get(key, 0) + 1
        told = {"from": before, "to": after, "why": why}
        self._events.tell("breaker", self.label, f"{before} to {after}: {why}", told, alarming=after == OPEN)


class Stats:
    """Everything the process counts. Attributes are set by whoever knows them; `route`, `upstream`, `breaker`
    and `listener` create by name.

    `drain_phase`: 0 serving, 1 announced, 2 draining, 3 closing; `drain_cut_requests` were cut short by its deadline,
    `drain_deadline`; None while not draining. It and `config_reloaded_at` in Unix seconds.
    `config_reloads` by result; `config_reload_failed`: the last one did. `memory_limit` is None where none is set.
    `endpoint_availability` is asked at each scrape for (upstream, endpoint, available), so it cannot be stale; so is
    `readings` for what the policies' machines tell of themselves. `workers_up` is whether each worker serves, by its
    number; empty where one process is the instance.
    """

    __slots__ = (
        "accept_pauses",
        "accepting",
        "access_log_dropped",
        "breakers",
        "config_generation",
        "config_hash",
        "config_reload_failed",
        "config_reloaded_at",
        "config_reloads",
        "downstream_connections",
        "drain_cut_requests",
        "drain_deadline",
        "drain_phase",
        "endpoint_availability",
        "events",
        "listeners",
        "log_dropped",
        "loop_lag",
        "memory_limit",
        "memory_resident",
        "readings",
        "routes",
        "spans_dropped",
        "spans_exported",
        "spans_failed",
        "unrouted",
        "upstream_connections",
        "upstreams",
        "worker_restarts",
        "workers_up",
    )

    def __init__(self, events: Events | None = None) -> None:
        self.events = events or Events()
        self.unrouted = RouteStats()
        self.routes: dict[str, RouteStats] = {}
        self.upstreams: dict[str, UpstreamStats] = {}
        self.breakers: dict[str, BreakerStats] = {}
        self.listeners: dict[str, ListenerStats] = {}
        self.downstream_connections = Connections()
        self.upstream_connections = Connections()
        self.config_generation = 0
        self.config_hash = ""
        self.config_reloaded_at = 0.0
        self.config_reloads: dict[str, int] = {"reloaded": 0, "unchanged": 0, "failed": 0}
        self.config_reload_failed = False
        self.drain_phase = 0
        self.drain_cut_requests = 0
        self.drain_deadline: float | None = None
        self.loop_lag = 0.0
        self.access_log_dropped = 0
        self.log_dropped = 0
        self.spans_exported = 0
        self.spans_failed = 0
        self.spans_dropped = 0
        self.accepting = True
        self.accept_pauses = 0
        self.memory_resident = 0
        self.memory_limit: int | None = None
        self.worker_restarts = 0
        self.workers_up: dict[int, bool] = {}
        self.endpoint_availability: Callable[[], Iterable[tuple[str, str, bool]]] = tuple
        self.readings: Callable[[], Iterable[Reading]] = tuple

    def route(self, name: str) -> RouteStats:
        """The route's stats, made at its first mention; one object for a name, over every reload."""
        stats = self.routes.get(name)
        if stats is None:
            stats = self.routes[name] = RouteStats()
        return stats

    def upstream(self, name: str) -> UpstreamStats:
        """The upstream's stats, made at its first mention; one object for a name, over every reload."""
        stats = self.upstreams.get(name)
        if stats is None:
            stats = self.upstreams[name] = UpstreamStats(name, self.events)
        return stats

    def breaker(self, label: str) -> BreakerStats:
        """The breaker's stats, made at its first mention; one object for a label, over every reload."""
        stats = self.breakers.get(label)
        if stats is None:
            stats = self.breakers[label] = BreakerStats(label, self.events)
        return stats

    def listener(self, name: str) -> ListenerStats:
        """The listener's stats, made at its first mention; one object for a name, over every reload."""
        stats = self.listeners.get(name)
        if stats is None:
            stats = self.listeners[name] = ListenerStats()
        return stats

    def keep_only(
        self,
        routes: Collection[str],
        upstreams: Collection[str],
        breakers: Collection[str],
        listeners: Collection[str],
    ) -> None:
        """Forget what the rules no longer name, but for routes with exchanges in flight: those go at a later call."""
        self.routes = {name: stats for name, stats in self.routes.items() if name in routes or stats.in_flight}
        self.upstreams = {name: stats for name, stats in self.upstreams.items() if name in upstreams}
        self.breakers = {label: stats for label, stats in self.breakers.items() if label in breakers}
        self.listeners = {name: stats for name, stats in self.listeners.items() if name in listeners}


def breaker_state_readings(label: str, state: str) -> list[Reading]:
    """A breaker's state as readings: 1 for the state it is in, 0 for the others."""
    return [("breaker_state", (label, one), float(one == state)) for one in BREAKER_STATES]


def bucket(seconds: float) -> int:
    """The place of a duration in a histogram: the first bound that is not below it. (`bisect`, typed when compiled.)"""
    low = 0
    high = _COUNT
    while low < high:
        middle = (low + high) >> 1
        if _BOUNDS[middle] < seconds:
            low = middle + 1
        else:
            high = middle
    return low
