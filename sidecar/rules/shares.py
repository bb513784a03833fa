"""One worker's part of the rules, where several work as one instance.

What all workers see in the memory that they share (rate limits, concurrency, circuit breakers) stays whole. What each
keeps for itself (memory, connections, held requests, the floor of a retry budget, sampled log lines) is dealt out in
equal parts, rounded down but never to nothing, so that together they keep to what the file says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sidecar.policies.fallback import FallbackSpec
from sidecar.policies.health_gate import HoldSpec
from sidecar.policies.pool import PoolSpec
from sidecar.policies.retry import RetrySpec
from sidecar.rules.schema import LEAST_LOG_RATE, LEAST_MEMORY, LogRule, OverloadRule, RuleSet

_LEAST_STALE_BYTES = 16 << 10  # what a store needs for anything to fit


def share_of(rules: RuleSet, workers: int) -> RuleSet:
    """What one of `workers` keeps to; the rules themselves for one alone."""
    if workers == 1:
        return rules
    return replace(
        rules,
        log=_log(rules.log, workers),
        overload=_overload(rules.overload, workers),
        listeners=tuple([replace(one, max_connections=_part(one.max_connections, workers)) for one in rules.listeners]),
        upstreams={
            name: replace(rule, policies=_parts(rule.policies, workers)) for name, rule in rules.upstreams.items()
        },
        routes=tuple([replace(rule, policies=_parts(rule.policies, workers)) for rule in rules.routes]),
    )


def _overload(rule: OverloadRule, workers: int) -> OverloadRule:
    if rule.max_memory is None:
        return rule
    return replace(rule, max_memory=max(LEAST_MEMORY, rule.max_memory // workers))


def _log(rule: LogRule, workers: int) -> LogRule:
    return replace(rule, sampled=replace(rule.sampled, rate=max(LEAST_LOG_RATE, rule.sampled.rate / workers)))


def _parts(policies: Mapping[str, object], workers: int) -> Mapping[str, object]:
    return {key: _share(spec, workers) for key, spec in policies.items()}


def _share(spec: object, workers: int) -> object:
    if isinstance(spec, PoolSpec):
        pace = spec.max_connects
        return replace(
            spec,
            max_connections=_part(spec.max_connections, workers),
            max_connects=None if pace is None else pace / workers,
        )
    if isinstance(spec, HoldSpec):
        release = None if spec.release is None else spec.release / workers
        return replace(spec, max_requests=_part(spec.max_requests, workers), release=release)
    if isinstance(spec, FallbackSpec) and spec.stale is not None:
        least = min(_LEAST_STALE_BYTES, spec.stale.max_bytes)
        return replace(spec, stale=replace(spec.stale, max_bytes=max(least, spec.stale.max_bytes // workers)))
    if isinstance(spec, RetrySpec) and spec.budget is not None:
        return replace(spec, budget=replace(spec.budget, min_per_second=spec.budget.min_per_second / workers))
    return spec


def _part(whole: int, workers: int) -> int:
    return max(1, whole // workers)
