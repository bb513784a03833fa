"""What happened between two looks at `/status`: rates, and the latency of that time alone. Pure.

The time between is the sidecar's own, from its uptime, so neither a slow answer nor a clock that was set bends a rate.
Counters that went backwards began anew; then nothing is known of the time between, and nothing is never negative.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sidecar.model.outcome import Cause
from sidecar.telemetry.latency import quantile

# Outcomes of attempts that are no trouble on the way to an endpoint: a client may leave. As the dashboard's figures.js.
_NO_FAILURES = frozenset(("success", Cause.DOWNSTREAM_GONE.value))

# Route, rule (empty where no rule of the file is to blame) and reason.
Refusal = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Flow:
    """What went through a route or an upstream, each a second; `failures` are an upstream's errors by what they were,
    `buckets` plain counts of the whole time."""

    requests: float = 0.0
    errors: float = 0.0
    refused: float = 0.0
    retries: float = 0.0
    failures: Mapping[str, float] = field(default_factory=dict)
    buckets: Sequence[int] = ()

    def latency(self, share: float) -> float | None:
        """The seconds that this share stayed below; None where nothing ended."""
        return quantile(share, self.buckets) if self.buckets else None


@dataclass(frozen=True, slots=True)
class Pace:
    """What happened between two looks, by name; an upstream's requests are its attempts."""

    seconds: float
    routes: Mapping[str, Flow] = field(default_factory=dict)
    upstreams: Mapping[str, Flow] = field(default_factory=dict)
    refusals: Mapping[Refusal, float] = field(default_factory=dict)

    def total(self) -> Flow:
        """What all routes come to; retries and failures are told apart only."""
        flows = list(self.routes.values())
        return Flow(
            requests=sum(flow.requests for flow in flows),
            errors=sum(flow.errors for flow in flows),
            refused=sum(flow.refused for flow in flows),
            buckets=[sum(column) for column in zip(*(flow.buckets for flow in flows if flow.buckets), strict=True)],
        )


def pace(before: Mapping[str, Any] | None, now: Mapping[str, Any]) -> Pace | None:
    """From one status to the next; None where there is none before, or it is another process's."""
    if before is None:
        return None
    seconds = now["uptime_seconds"] - before["uptime_seconds"]
    # One that began after the look before may by now be older than the other was then.
    began = now.get("time", 0.0) - now["uptime_seconds"]
    if seconds <= 0 or began > before.get("time", 0.0):
        return None
    earlier = refusals(before)
    return Pace(
        seconds,
        {name: _route(old, new, seconds) for name, old, new in _pairs(before["routes"], now["routes"])},
        {name: _upstream(old, new, seconds) for name, old, new in _pairs(before["upstreams"], now["upstreams"])},
        {what: grown for what, count in refusals(now).items() if (grown := _grown(earlier.get(what), count) / seconds)},
    )


def refusals(told: Mapping[str, Any], key: str = "refused") -> dict[Refusal, int]:
    """What was refused since the start, or with `shadow_refused` would have been."""
    return {
        (route["name"], rule, reason): count
        for route in told["routes"]
        for rule, reasons in route[key].items()
        for reason, count in reasons.items()
    }


def failures(attempts: Mapping[str, int]) -> dict[str, int]:
    """Of attempts by outcome those that brought no good answer to a client that waited for one."""
    return {outcome: count for outcome, count in attempts.items() if outcome not in _NO_FAILURES}


def _route(old: Mapping[str, Any], new: Mapping[str, Any], seconds: float) -> Flow:
    return Flow(
        requests=_grown(old.get("requests"), new["requests"]) / seconds,
        errors=_grown(old.get("statuses", {}).get("5xx"), new["statuses"].get("5xx", 0)) / seconds,
        refused=_all_grown(old.get("rejections", {}), new["rejections"]) / seconds,
        retries=_all_grown(old.get("retries", {}), new["retries"]) / seconds,
        buckets=_buckets(old, new),
    )


def _upstream(old: Mapping[str, Any], new: Mapping[str, Any], seconds: float) -> Flow:
    attempts: Mapping[str, int] = old.get("attempts", {})
    failed = {
        cause: grown / seconds
        for cause, count in failures(new["attempts"]).items()
        if (grown := _grown(attempts.get(cause), count))
    }
    return Flow(
        requests=_all_grown(attempts, new["attempts"]) / seconds,
        errors=sum(failed.values()),
        failures=failed,
        buckets=_buckets(old, new),
    )


def _pairs(
    old: Iterable[Mapping[str, Any]], new: Iterable[Mapping[str, Any]]
) -> Iterable[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    earlier = {thing["name"]: thing for thing in old}
    return ((thing["name"], earlier.get(thing["name"], {}), thing) for thing in new)


def _grown(old: int | None, new: int) -> int:
    return max(0, new - (old or 0))


def _all_grown(old: Mapping[str, int], new: Mapping[str, int]) -> int:
    return sum(_grown(old.get(key), count) for key, count in new.items())


def _buckets(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[int]:
    counts: list[int] = new["latency"]["buckets"]
    before: list[int] = old["latency"]["buckets"] if old else [0] * len(counts)
    grown = [count - earlier for count, earlier in zip(counts, before, strict=True)]
    return grown if min(grown) >= 0 else [0] * len(counts)
