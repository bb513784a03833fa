"""The names, labels and help texts of what `stats.py` counts, read when somebody asks.

docs/metrics.md tells them to people; `exposition.py` has the formats. Nothing here runs on a request's path, but on the
loop that serves requests: everything is yielded bit by bit, and an empty bit is work without a sample.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate

from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from sidecar.telemetry.exposition import (
    COUNTER,
    GAUGE,
    HISTOGRAM,
    INFO,
    OPENMETRICS,
    Family,
    asked_for,
    exemplar,
    in_pieces,
)
from sidecar.telemetry.listener_stats import HANDSHAKE_BOUNDS
from sidecar.telemetry.stats import BOUNDS, OTHER_STATUS, UNROUTED, RouteStats, Stats

_LES = (*(repr(bound) for bound in BOUNDS), "+Inf")
_HANDSHAKE_LES = (*(repr(bound) for bound in HANDSHAKE_BOUNDS), "+Inf")
_Routes = Sequence[tuple[str, RouteStats]]
_Sample = tuple[Sequence[str], float]

# What `Stats.readings` may tell: metric, whether it only grows, help, labels.
_READINGS: tuple[tuple[str, bool, str, tuple[str, ...]], ...] = (
    ("breaker_state", False, "1 for the state a circuit breaker is in, 0 for the others.", ("breaker", "state")),
    ("concurrency_in_flight", False, "Requests that hold a place of the concurrency limit.", ("route",)),
    ("concurrency_limit", False, "Places of the concurrency limit.", ("route",)),
    ("concurrency_queued", False, "Requests that wait for a place of the concurrency limit.", ("route",)),
    ("held_requests", False, "Requests that wait for an endpoint of the upstream.", ("upstream",)),
    ("rate_limit_evictions", True, "Keys forgotten before their bucket was full again.", ("route", "rule")),
    ("retry_budget_available", False, "Retries that the budget would allow now.", ("upstream",)),
    ("tls_certificate_expiry_timestamp_seconds", False, "When a certificate ends, Unix time.", ("owner", "name")),
)


class Metrics:
    """Tells what the process counts, with the process's own memory, CPU and descriptors where the system tells."""

    def __init__(self, stats: Stats, build: Mapping[str, str], process: Collector | None = None) -> None:
        """`build` becomes the labels of `sidecar_build_info`, such as version and python. `process` collects the usual
        figures of the process, where they are not those of this process alone."""
        self._stats = stats
        self._build = dict(build)
        self._process = process or ProcessCollector(registry=None)

    def pieces(self, accept: str) -> tuple[Iterator[bytes], str]:
        """The body and its content type, in the format that an Accept header asks for. The figures are those of the
        instant when their piece is taken."""
        form = asked_for(accept)
        return in_pieces(self._written(form)), form

    def _written(self, form: str) -> Iterator[str]:
        """Every family, those of the proxy first."""
        stats = self._stats
        routes = [*sorted(stats.routes.items()), (UNROUTED, stats.unrouted)]
        yield from _requests(routes, form)
        yield from _refusals(routes, form)
        yield from _attempts(stats, form)
        yield from _breakers(stats, form)
        yield from _readings(stats, form)
        yield from _connections(stats, form)
        yield from _gave_way(stats, form)
        yield from _proxy_headers(stats, form)
        yield from _handshakes(stats, form)
        yield from _config(stats, form)
        yield from _process(stats, form)
        yield from _workers(stats, form)
        yield from _info(form, "build", "The build that is running.", self._build)
        for family in self._process.collect():
            for one in family.samples:
                yield from _told(form, Family(family.type, one.name, family.documentation), [((), one.value)])
        if form == OPENMETRICS:
            yield "# EOF\n"


def _requests(routes: _Routes, form: str) -> Iterator[str]:
    yield from _counter(
        form,
        "requests",
        "Exchanges that ended, by what the downstream got.",
        ("route", "method", "status"),
        (
            ((name, method.decode("ascii"), _shown(status)), count)
            for name, route in routes
            for (method, status), count in sorted(route.requests.items())
        ),
    )
    text = "From a request's first byte to the end of its exchange."
    durations = Family(HISTOGRAM, "sidecar_request_duration_seconds", text, ("route",))
    yield durations.head(form)
    for name, route in routes:
        marks = _exemplars(route) if form == OPENMETRICS else {}
        yield durations.histogram(name, _LES, accumulate(route.buckets), route.seconds, marks)
    yield from _gauge(
        form,
        "requests_in_flight",
        "Exchanges that have begun and not ended.",
        ("route",),
        (((name,), route.in_flight) for name, route in routes),
    )


def _refusals(routes: _Routes, form: str) -> Iterator[str]:
    """What was not simply passed on."""
    for metric, text, labels in (
        ("rejections", "Answers the sidecar made itself, by cause.", ("rule", "reason")),
        ("shadow_rejections", "Answers that rules in shadow mode would have made.", ("rule", "reason")),
        ("fallbacks", "Answers that a fallback made, by what they stand for.", ("kind", "cause")),
    ):
        yield from _counter(
            form,
            metric,
            text,
            ("route", *labels),
            (
                (
                    ((name, *key), count)
                    for name, route in routes
                    for key, count in sorted(getattr(route, metric).items())
                )
            ),
        )
    for metric, text, label in (
        ("retries", "Attempts that were repeated, by what went wrong.", "reason"),
        ("retries_skipped", "Attempts that were not repeated, by what forbade it.", "why"),
    ):
        yield from _counter(
            form,
            metric,
            text,
            ("route", label),
            (((name, key), count) for name, route in routes for key, count in sorted(getattr(route, metric).items())),
        )


def _attempts(stats: Stats, form: str) -> Iterator[str]:
    upstreams = sorted(stats.upstreams.items())
    text = "From an attempt's begin to its end."
    durations = Family(HISTOGRAM, "sidecar_attempt_duration_seconds", text, ("upstream",))
    yield durations.head(form)
    for name, upstream in upstreams:
        yield durations.histogram(name, _LES, accumulate(upstream.buckets), upstream.seconds, {})
    for metric, kept, text, label in (
        ("attempts", "attempts", "Attempts that ended, by outcome.", "outcome"),
        ("pool_connects", "connects", "Connections opened, or not.", "result"),
        ("ejections", "ejections", "Times an endpoint was taken out after failures.", "endpoint"),
        ("hold_requests", "hold", "Requests that found no endpoint, by what became of them.", "result"),
    ):
        yield from _counter(
            form,
            metric,
            text,
            ("upstream", label),
            (((name, key), count) for name, one in upstreams for key, count in sorted(getattr(one, kept).items())),
        )
    yield from _counter(
        form,
        "health_checks",
        "Looks at endpoints, by what they found.",
        ("upstream", "endpoint", "result"),
        (((name, *key), count) for name, one in upstreams for key, count in sorted(one.health_checks.items())),
    )
    yield from _gauge(
        form,
        "endpoint_available",
        "1 while the endpoint takes attempts.",
        ("upstream", "endpoint"),
        (((upstream, endpoint), int(holds)) for upstream, endpoint, holds in stats.endpoint_availability()),
    )


def _breakers(stats: Stats, form: str) -> Iterator[str]:
    yield from _counter(
        form,
        "breaker_transitions",
        "Changes of a breaker's state.",
        ("breaker", "from", "to"),
        (
            ((label, *change), count)
            for label, breaker in sorted(stats.breakers.items())
            for change, count in sorted(breaker.transitions.items())
        ),
    )


def _readings(stats: Stats, form: str) -> Iterator[str]:
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for name, labels, value in stats.readings():
        # Two machines with the same labels are one sample: a scraper refuses an exposition that has it twice.
        values = found.setdefault(name, {})
        values[labels] = values.get(labels, 0.0) + value
        yield ""
    for name, grows, text, label_names in _READINGS:
        write = _counter if grows else _gauge
        yield from write(form, name, text, label_names, sorted(found.get(name, {}).items()))


def _connections(stats: Stats, form: str) -> Iterator[str]:
    sides = (("downstream", stats.downstream_connections), ("upstream", stats.upstream_connections))
    states = [((side, "active"), counts.active) for side, counts in sides]
    states += [((side, "idle"), counts.idle) for side, counts in sides]
    yield from _gauge(form, "connections", "Open connections.", ("side", "state"), states)


def _gave_way(stats: Stats, form: str) -> Iterator[str]:
    yield from _counter(
        form,
        "connections_gave_way",
        "Connections of clients that carried nothing, closed for newcomers because all were taken.",
        ("listener",),
        (((name,), one.gave_way) for name, one in sorted(stats.listeners.items())),
    )


def _proxy_headers(stats: Stats, form: str) -> Iterator[str]:
    """Of listeners that expect them; others have none to tell of."""
    yield from _counter(
        form,
        "proxy_protocol",
        "PROXY headers of connections, by result.",
        ("listener", "result"),
        (
            ((name, result), count)
            for name, one in sorted(stats.listeners.items())
            for result, count in sorted(one.proxy_headers.items())
        ),
    )


def _handshakes(stats: Stats, form: str) -> Iterator[str]:
    """Of listeners that speak TLS; others have none to tell of."""
    listeners = [(name, one) for name, one in sorted(stats.listeners.items()) if one.handshakes]
    yield from _counter(
        form,
        "tls_handshakes",
        "TLS handshakes with clients, by result.",
        ("listener", "result"),
        (((name, result), count) for name, one in listeners for result, count in sorted(one.handshakes.items())),
    )
    text = "From a connection's first byte to the end of its handshake, where it came to one."
    durations = Family(HISTOGRAM, "sidecar_tls_handshake_duration_seconds", text, ("listener",))
    yield durations.head(form)
    for name, one in listeners:
        yield durations.histogram(name, _HANDSHAKE_LES, accumulate(one.buckets), one.seconds, {})


def _config(stats: Stats, form: str) -> Iterator[str]:
    yield from _single(form, "config_generation", "Number of the rules in force, from 1.", stats.config_generation)
    results = [((result,), count) for result, count in sorted(stats.config_reloads.items())]
    yield from _counter(form, "config_reloads", "Reloads, by result.", ("result",), results)
    successful, taken = int(not stats.config_reload_failed), stats.config_reloaded_at
    yield from _single(form, "config_last_reload_successful", "0 while the last reload failed, else 1.", successful)
    text = "When the rules in force were taken, Unix time."
    yield from _single(form, "config_last_reload_timestamp_seconds", text, taken)
    yield from _info(form, "config", "The rules in force.", {"hash": stats.config_hash})


def _process(stats: Stats, form: str) -> Iterator[str]:
    yield from _single(form, "drain_phase", "0 serving, 1 announced, 2 draining, 3 closing.", stats.drain_phase)
    text = "Requests and tunnels that the drain cut short."
    yield from _single(form, "drain_cut_requests", text, stats.drain_cut_requests)
    text = "When the drain cuts what is left, Unix time; absent while not draining."
    yield from _single(form, "drain_deadline_timestamp_seconds", text, stats.drain_deadline)
    text = "Latest that the event loop was in the last ten seconds."
    yield from _single(form, "loop_lag_seconds", text, stats.loop_lag)
    text = "0 while connections wait outside for want of descriptors."
    yield from _single(form, "accepting", text, int(stats.accepting))
    text = "Times that accepting paused for want of descriptors."
    yield from _counter(form, "accept_pauses", text, (), [((), stats.accept_pauses)])
    yield from _single(form, "memory_resident_bytes", "Resident memory.", stats.memory_resident)
    text = "Resident memory above which requests are refused; absent without a limit."
    yield from _single(form, "memory_limit_bytes", text, stats.memory_limit)
    text = "Access log lines that were not written."
    yield from _counter(form, "access_log_dropped", text, (), [((), stats.access_log_dropped)])
    text = "Lines of the process's own log that were not written."
    yield from _counter(form, "log_dropped", text, (), [((), stats.log_dropped)])
    spans = {"exported": stats.spans_exported, "failed": stats.spans_failed, "dropped": stats.spans_dropped}
    text = "Spans, by what became of them."
    yield from _counter(form, "spans", text, ("result",), [((result,), count) for result, count in spans.items()])


def _workers(stats: Stats, form: str) -> Iterator[str]:
    if not stats.workers_up:
        return
    up = [((str(worker),), int(is_up)) for worker, is_up in sorted(stats.workers_up.items())]
    yield from _gauge(form, "worker_up", "1 while the worker serves.", ("worker",), up)
    text = "Workers that died and were started again."
    yield from _counter(form, "worker_restarts", text, (), [((), stats.worker_restarts)])


def _exemplars(route: RouteStats) -> dict[int, str]:
    return {
        place: exemplar(trace_id.decode("ascii"), seconds) for place, (trace_id, seconds, _) in route.exemplars.items()
    }


def _shown(status: int) -> str:
    if status == OTHER_STATUS:
        return "other"
    return str(status) if status >= 100 else f"{status}xx"  # which `status=~"4.."` finds like the others


def _counter(form: str, name: str, text: str, labels: Sequence[str], samples: Iterable[_Sample]) -> Iterator[str]:
    return _told(form, Family(COUNTER, f"sidecar_{name}_total", text, labels), samples)


def _gauge(form: str, name: str, text: str, labels: Sequence[str], samples: Iterable[_Sample]) -> Iterator[str]:
    return _told(form, Family(GAUGE, f"sidecar_{name}", text, labels), samples)


def _single(form: str, name: str, text: str, value: float | None) -> Iterator[str]:
    """A gauge without labels, and without a sample where there is no value."""
    return _gauge(form, name, text, (), [] if value is None else [((), value)])


def _info(form: str, name: str, text: str, told: Mapping[str, str]) -> Iterator[str]:
    return _told(form, Family(INFO, f"sidecar_{name}_info", text, tuple(told)), [(tuple(told.values()), 1)])


def _told(form: str, family: Family, samples: Iterable[_Sample]) -> Iterator[str]:
    yield family.head(form)
    for labels, value in samples:
        yield family.sample(labels, value)
