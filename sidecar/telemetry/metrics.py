"""The exposition: the counts of `stats.py` as Prometheus text or OpenMetrics, made when somebody asks.

Owns names, labels and help texts; docs/metrics.md tells them to people. Nothing here runs on a request's path.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector, CollectorRegistry
from prometheus_client.samples import Exemplar

from sidecar.model.connections import Connections
from sidecar.telemetry.stats import BOUNDS, OTHER_STATUS, UNROUTED, RouteStats, Stats

_LES = (*(repr(bound) for bound in BOUNDS), "+Inf")

# What `Stats.readings` may tell: metric, whether it only grows, help, labels.
_READINGS: tuple[tuple[str, bool, str, tuple[str, ...]], ...] = (
    ("breaker_state", False, "1 for the state a circuit breaker is in, 0 for the others.", ("breaker", "state")),
    ("concurrency_in_flight", False, "Requests that hold a place of the concurrency limit.", ("route",)),
    ("concurrency_limit", False, "Places of the concurrency limit.", ("route",)),
    ("concurrency_queued", False, "Requests that wait for a place of the concurrency limit.", ("route",)),
    ("held_requests", False, "Requests that wait for an endpoint of the upstream.", ("upstream",)),
    ("rate_limit_evictions", True, "Keys forgotten before their bucket was full again.", ("route", "rule")),
    ("retry_budget_available", False, "Retries that the budget would allow now.", ("upstream",)),
)


class Metrics:
    """Renders what the process counts, with the process's own memory, CPU and descriptors where the system tells."""

    def __init__(self, stats: Stats, build: Mapping[str, str], process: Collector | None = None) -> None:
        """`build` becomes the labels of `sidecar_build_info`, such as version and python. `process` collects the usual
        figures of the process, where they are not those of this process alone."""
        # A registry of our own: the package's global one is open to every library in the process.
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(StatsCollector(stats, build))
        self._registry.register(process or ProcessCollector(registry=None))

    def render(self, accept: str) -> tuple[bytes, str]:
        """The body and its content type, in the format that an Accept header asks for."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type


class StatsCollector(Collector):
    """Turns the counts into metric families, anew at each scrape."""

    def __init__(self, stats: Stats, build: Mapping[str, str]) -> None:
        self._stats = stats
        self._build = dict(build)

    def describe(self) -> Iterable[Metric]:
        """Nothing: names are fixed here, so registering needs no collection to find them."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Every family, in the order of docs/metrics.md."""
        stats = self._stats
        routes = [*sorted(stats.routes.items()), (UNROUTED, stats.unrouted)]
        yield from _requests(routes)
        yield from _attempts(stats)
        yield from _breakers(stats)
        yield from _readings(stats)
        yield from _connections(stats)
        yield from _config(stats)
        yield from _process(stats)
        yield from _workers(stats)
        build = InfoMetricFamily("sidecar_build", "The build that is running.")
        build.add_metric([], self._build)
        yield build


def _requests(routes: Sequence[tuple[str, RouteStats]]) -> Iterator[Metric]:
    requests = _counter("requests", "Exchanges that ended, by what the downstream got.", "route", "method", "status")
    durations = HistogramMetricFamily(
        "sidecar_request_duration_seconds", "From a request's first byte to the end of its exchange.", labels=["route"]
    )
    in_flight = _gauge("requests_in_flight", "Exchanges that have begun and not ended.", "route")
    rejections = _counter("rejections", "Answers the sidecar made itself, by cause.", "route", "rule", "reason")
    shadows = _counter(
        "shadow_rejections", "Answers that rules in shadow mode would have made.", "route", "rule", "reason"
    )
    retries = _counter("retries", "Attempts that were repeated, by what went wrong.", "route", "reason")
    skipped = _counter("retries_skipped", "Attempts that were not repeated, by what forbade it.", "route", "why")
    fallbacks = _counter("fallbacks", "Answers that a fallback made, by what they stand for.", "route", "kind", "cause")
    for name, route in routes:
        for (method, status), count in sorted(route.requests.items()):
            requests.add_metric([name, method.decode("ascii"), _shown(status)], count)
        durations.add_metric([name], _with_exemplars(route), route.seconds)
        in_flight.add_metric([name], route.in_flight)
        for (rule, reason), count in sorted(route.rejections.items()):
            rejections.add_metric([name, rule, reason], count)
        for (rule, reason), count in sorted(route.shadow_rejections.items()):
            shadows.add_metric([name, rule, reason], count)
        for cause, count in sorted(route.retries.items()):
            retries.add_metric([name, cause], count)
        for why, count in sorted(route.retries_skipped.items()):
            skipped.add_metric([name, why], count)
        for (kind, cause), count in sorted(route.fallbacks.items()):
            fallbacks.add_metric([name, kind, cause], count)
    yield from (requests, durations, in_flight, rejections, shadows, retries, skipped, fallbacks)


def _attempts(stats: Stats) -> Iterator[Metric]:
    attempts = _counter("attempts", "Attempts that ended, by outcome.", "upstream", "outcome")
    durations = HistogramMetricFamily(
        "sidecar_attempt_duration_seconds", "From an attempt's begin to its end.", labels=["upstream"]
    )
    connects = _counter("pool_connects", "Connections opened, or not.", "upstream", "result")
    ejections = _counter("ejections", "Times an endpoint was taken out after failures.", "upstream", "endpoint")
    checks = _counter("health_checks", "Looks at endpoints, by what they found.", "upstream", "endpoint", "result")
    hold = _counter("hold_requests", "Requests that found no endpoint, by what became of them.", "upstream", "result")
    for name, upstream in sorted(stats.upstreams.items()):
        for outcome, count in sorted(upstream.attempts.items()):
            attempts.add_metric([name, outcome], count)
        durations.add_metric([name], _cumulated(upstream.buckets), upstream.seconds)
        for result, count in sorted(upstream.connects.items()):
            connects.add_metric([name, result], count)
        for endpoint, count in sorted(upstream.ejections.items()):
            ejections.add_metric([name, endpoint], count)
        for (endpoint, result), count in sorted(upstream.health_checks.items()):
            checks.add_metric([name, endpoint, result], count)
        for result, count in sorted(upstream.hold.items()):
            hold.add_metric([name, result], count)
    available = _gauge("endpoint_available", "1 while the endpoint takes attempts.", "upstream", "endpoint")
    for upstream_name, endpoint, is_available in stats.endpoint_availability():
        available.add_metric([upstream_name, endpoint], int(is_available))
    yield from (attempts, durations, connects, available, ejections, checks, hold)


def _breakers(stats: Stats) -> Iterator[Metric]:
    transitions = _counter("breaker_transitions", "Changes of a breaker's state.", "breaker", "from", "to")
    for label, breaker in sorted(stats.breakers.items()):
        for (before, after), count in sorted(breaker.transitions.items()):
            transitions.add_metric([label, before, after], count)
    yield transitions


def _readings(stats: Stats) -> Iterator[Metric]:
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for name, labels, value in stats.readings():
        # Two machines with the same labels are one sample: a scraper refuses an exposition that has it twice.
        values = found.setdefault(name, {})
        values[labels] = values.get(labels, 0.0) + value
    for name, grows, text, label_names in _READINGS:
        family = _counter(name, text, *label_names) if grows else _gauge(name, text, *label_names)
        for labels, value in sorted(found.get(name, {}).items()):
            family.add_metric(list(labels), value)
        yield family


def _connections(stats: Stats) -> Iterator[Metric]:
    connections = _gauge("connections", "Open connections.", "side", "state")
    sides: tuple[tuple[str, Connections], ...] = (
        ("downstream", stats.downstream_connections),
        ("upstream", stats.upstream_connections),
    )
    for side, counts in sides:
        connections.add_metric([side, "active"], counts.active)
        connections.add_metric([side, "idle"], counts.idle)
    yield connections


def _config(stats: Stats) -> Iterator[Metric]:
    yield _single("config_generation", "Number of the rules in force, from 1.", stats.config_generation)
    reloads = _counter("config_reloads", "Reloads, by result.", "result")
    for result, count in sorted(stats.config_reloads.items()):
        reloads.add_metric([result], count)
    yield reloads
    yield _single(
        "config_last_reload_successful", "0 while the last reload failed, else 1.", int(not stats.config_reload_failed)
    )
    yield _single(
        "config_last_reload_timestamp_seconds",
        "When the rules in force were taken, Unix time.",
        stats.config_reloaded_at,
    )
    info = InfoMetricFamily("sidecar_config", "The rules in force.")
    info.add_metric([], {"hash": stats.config_hash})
    yield info


def _process(stats: Stats) -> Iterator[Metric]:
    yield _single("drain_phase", "0 serving, 1 announced, 2 draining, 3 closing.", stats.drain_phase)
    yield _single("drain_cut_requests", "Requests and tunnels that the drain cut short.", stats.drain_cut_requests)
    deadline = _gauge(
        "drain_deadline_timestamp_seconds", "When the drain cuts what is left, Unix time; absent while not draining."
    )
    if stats.drain_deadline is not None:
        deadline.add_metric([], stats.drain_deadline)
    yield deadline
    yield _single("loop_lag_seconds", "Latest that the event loop was in the last ten seconds.", stats.loop_lag)
    yield _single("accepting", "0 while connections wait outside for want of descriptors.", int(stats.accepting))
    pauses = _counter("accept_pauses", "Times that accepting paused for want of descriptors.")
    pauses.add_metric([], stats.accept_pauses)
    yield pauses
    yield _single("memory_resident_bytes", "Resident memory.", stats.memory_resident)
    limit = _gauge("memory_limit_bytes", "Resident memory above which requests are refused; absent without a limit.")
    if stats.memory_limit is not None:
        limit.add_metric([], stats.memory_limit)
    yield limit
    dropped = _counter("access_log_dropped", "Access log lines that were not written.")
    dropped.add_metric([], stats.access_log_dropped)
    yield dropped
    own = _counter("log_dropped", "Lines of the process's own log that were not written.")
    own.add_metric([], stats.log_dropped)
    yield own
    spans = _counter("spans", "Spans, by what became of them.", "result")
    spans.add_metric(["exported"], stats.spans_exported)
    spans.add_metric(["failed"], stats.spans_failed)
    spans.add_metric(["dropped"], stats.spans_dropped)
    yield spans


def _workers(stats: Stats) -> Iterator[Metric]:
    if not stats.workers_up:
        return
    up = _gauge("worker_up", "1 while the worker serves.", "worker")
    for worker, is_up in sorted(stats.workers_up.items()):
        up.add_metric([str(worker)], int(is_up))
    yield up
    restarts = _counter("worker_restarts", "Workers that died and were started again.")
    restarts.add_metric([], stats.worker_restarts)
    yield restarts


def _with_exemplars(route: RouteStats) -> list[tuple[str, float] | tuple[str, float, Exemplar]]:
    """OpenMetrics shows them, Prometheus text has no place for them. Without a time: who scrapes knows its own."""
    exemplars = {
        place: Exemplar({"trace_id": trace_id.decode("ascii")}, seconds)
        for place, (trace_id, seconds, _) in route.exemplars.items()
    }
    return [
        (*cumulated, exemplars[place]) if place in exemplars else cumulated
        for place, cumulated in enumerate(_cumulated(route.buckets))
    ]


def _shown(status: int) -> str:
    if status == OTHER_STATUS:
        return "other"
    return str(status) if status >= 100 else f"{status}xx"  # which `status=~"4.."` finds like the others


def _cumulated(buckets: Sequence[int]) -> list[tuple[str, float]]:
    return list(zip(_LES, accumulate(buckets), strict=True))


def _counter(name: str, text: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"sidecar_{name}", text, labels=labels)


def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"sidecar_{name}", text, labels=labels)


def _single(name: str, text: str, value: float) -> GaugeMetricFamily:
    family = _gauge(name, text)
    family.add_metric([], value)
    return family
