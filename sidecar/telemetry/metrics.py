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

from sidecar.model.connections import Connections
from sidecar.telemetry.stats import BOUNDS, OTHER_STATUS, UNROUTED, RouteStats, Stats

_LES = (*(repr(bound) for bound in BOUNDS), "+Inf")


class Metrics:
    """Renders what the process counts, with the process's own memory, CPU and descriptors where the system tells."""

    def __init__(self, stats: Stats, build: Mapping[str, str]) -> None:
        """`build` becomes the labels of `sidecar_build_info`, such as version and python."""
        # A registry of our own: the package's global one is open to every library in the process.
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(StatsCollector(stats, build))
        ProcessCollector(registry=self._registry)

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
        yield from _connections(stats)
        yield from _config(stats)
        yield from _process(stats)
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
    retries = _counter("retries", "Attempts that were repeated, by what went wrong.", "route", "reason")
    for name, route in routes:
        for (method, status), count in sorted(route.requests.items()):
            shown = "other" if status == OTHER_STATUS else str(status)
            requests.add_metric([name, method.decode("ascii"), shown], count)
        durations.add_metric([name], _cumulated(route.buckets), route.seconds)
        in_flight.add_metric([name], route.in_flight)
        for (rule, reason), count in sorted(route.rejections.items()):
            rejections.add_metric([name, rule, reason], count)
        for cause, count in sorted(route.retries.items()):
            retries.add_metric([name, cause], count)
    yield from (requests, durations, in_flight, rejections, retries)


def _attempts(stats: Stats) -> Iterator[Metric]:
    attempts = _counter("attempts", "Attempts that ended, by outcome.", "upstream", "outcome")
    durations = HistogramMetricFamily(
        "sidecar_attempt_duration_seconds", "From an attempt's begin to its end.", labels=["upstream"]
    )
    connects = _counter("pool_connects", "Connections opened, or not.", "upstream", "result")
    for name, upstream in sorted(stats.upstreams.items()):
        for outcome, count in sorted(upstream.attempts.items()):
            attempts.add_metric([name, outcome], count)
        durations.add_metric([name], _cumulated(upstream.buckets), upstream.seconds)
        for result, count in sorted(upstream.connects.items()):
            connects.add_metric([name, result], count)
    available = _gauge("endpoint_available", "1 while the endpoint takes attempts.", "upstream", "endpoint")
    for upstream_name, endpoint, is_available in stats.endpoint_availability():
        available.add_metric([upstream_name, endpoint], int(is_available))
    yield from (attempts, durations, connects, available)


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
        "config_last_reload_timestamp_seconds",
        "When the rules in force were taken, Unix time.",
        stats.config_reloaded_at,
    )
    info = InfoMetricFamily("sidecar_config", "The rules in force.")
    info.add_metric([], {"hash": stats.config_hash})
    yield info


def _process(stats: Stats) -> Iterator[Metric]:
    yield _single("drain_phase", "0 serving, 1 announced, 2 draining, 3 closing.", stats.drain_phase)
    yield _single("loop_lag_seconds", "Latest that the event loop was in the last ten seconds.", stats.loop_lag)
    dropped = _counter("access_log_dropped", "Access log lines that were not written.")
    dropped.add_metric([], stats.access_log_dropped)
    yield dropped


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
