"""What each policy has done in a drill: the requests that it saved, and those that it cost.

Saved are requests that were answered because of it; what it cost is the verdict's word. A policy that only refuses what
nobody could have answered has neither: it spared the endpoints.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from sidecar.drill.figures import State
from sidecar.drill.record import Record
from sidecar.drill.settings import Setting, Settings
from sidecar.drill.verdict import Verdict
from sidecar.policies.catalogue import Scope, entries

_IDLE = "had nothing to do"
_OFF = "is off"
# Told of only where they did something.
_QUIET = frozenset({"pool"})
# Those that decide nothing about what becomes of a request.
_SILENT = frozenset({"rewrite", "request_headers", "response_headers", "balance", "slow_start"})
# Of each policy, the key that says most about it.
_TELLING = {
    "timeout": "request",
    "concurrency": "max",
    "circuit_breaker": "open_for",
    "retry": "max_attempts",
    "hold": "timeout",
    "health_check": "interval",
    "ejection": "consecutive_failures",
    "pool": "max_connections",
}


@dataclass(frozen=True, slots=True)
class Part:
    """One policy of one route or upstream. `setting` is its most telling value."""

    policy: str
    owner: str
    setting: Setting
    did: str
    saved: int
    cost: int


def parts(record: Record, verdict: Verdict, breakers: Mapping[str, list[State]]) -> list[Part]:
    """Of everything that could have had one, in the order of a request's way; first the routes, then the upstreams."""
    told = _Told(record, breakers)
    settings = Settings(record.loaded)
    found = []
    used = {request.route for request in record.requests}
    routes = {rule.name: rule.policies for rule in record.loaded.rules.routes if rule.name in used}
    upstreams = {name: rule.policies for name, rule in record.loaded.rules.upstreams.items() if told.was_used(name)}
    scopes: tuple[tuple[Scope, Mapping[str, Mapping[str, object]]], ...] = (("route", routes), ("upstream", upstreams))
    for scope, rules in scopes:
        for entry in entries(scope):
            for name, policies in rules.items():
                if entry.key in _SILENT:
                    continue
                prefix = f"{scope}s.{name}.{entry.key}"
                cost = _cost(verdict, prefix)
                if policies.get(entry.key):
                    did, saved = told.by(scope, entry.key, name)
                    setting = settings.first(prefix, _TELLING.get(entry.key, ""))
                    if did or cost or entry.key not in _QUIET:
                        found.append(Part(entry.key, name, setting, did or _IDLE, saved, cost))
                elif cost:
                    found.append(Part(entry.key, name, settings.at(prefix), _OFF, 0, cost))
    return found


def _cost(verdict: Verdict, prefix: str) -> int:
    return sum(
        group.count
        for group in verdict.groups
        if group.cause.setting is not None and f"{group.cause.setting.key}.".startswith(f"{prefix}.")
    )


class _Told:
    """What the record tells of each policy, in words, with how many requests it has saved."""

    def __init__(self, record: Record, breakers: Mapping[str, list[State]]) -> None:
        self._record = record
        self._breakers = breakers
        self._counts: dict[tuple[str, str], Counter[str]] = {}
        for count in record.counts:
            self._counts.setdefault((count.kind, count.of), Counter())[count.why] += 1
        self._used = {request.upstream for request in record.requests}
        by_policy: dict[str, Callable[[str, str], tuple[str, int]]] = {
            "timeout": self._timeout,
            "rate_limits": self._refusals("rate_limited"),
            "concurrency": self._refusals("concurrency_limited"),
            "fault": self._refusals("fault_injected"),
            "circuit_breaker": self._breaker,
            "retry": self._retry,
            "fallback": self._fallback,
            "hold": self._hold,
            "health_check": self._checks,
            "ejection": self._ejection,
            "pool": self._pool,
        }
        self._by_policy = by_policy

    def was_used(self, upstream: str) -> bool:
        """Whether a request went there, or anything might have."""
        return upstream in self._used or self._used <= {""}

    def by(self, scope: str, policy: str, owner: str) -> tuple[str, int]:
        """What a policy did, empty where it did nothing, and how many requests it saved."""
        tell = self._by_policy.get(policy)
        return ("", 0) if tell is None else tell(scope, owner)

    def _of(self, kind: str, owner: str) -> Counter[str]:
        return self._counts.get((kind, owner), Counter())

    def _timeout(self, _scope: str, route: str) -> tuple[str, int]:
        words = {"request_timeout": "requests ended at their deadline", "attempt_timeout": "after an attempt's time"}
        ended = Counter(request.reason for request in self._record.requests if request.route == route)
        return ", ".join(f"{ended[reason]} {word}" for reason, word in words.items() if ended[reason]), 0

    def _refusals(self, reason: str) -> Callable[[str, str], tuple[str, int]]:
        def told(_scope: str, route: str) -> tuple[str, int]:
            refused = self._of("rejected", route)[reason]
            return (f"refused {refused}", 0) if refused else ("", 0)

        return told

    def _breaker(self, scope: str, owner: str) -> tuple[str, int]:
        states = self._breakers.get(f"{scope}.{owner}", [])
        rule = f"{owner}/circuit_breaker"
        refused = sum(request.reason == "circuit_open" and request.rule == rule for request in self._record.requests)
        opened = sum(state.word == "open" for state in states)
        if not opened:
            return "", 0
        lasted = sum(state.ended - state.begun for state in states if state.word != "closed")
        return f"opened {_times(opened)}, {lasted:.1f} s in all; refused {refused}", 0

    def _retry(self, _scope: str, route: str) -> tuple[str, int]:
        made, skipped = self._of("retried", route), self._of("retry_skipped", route)
        saved = sum(request.ok and request.attempts > 1 for request in self._record.requests if request.route == route)
        told = [f"tried {made.total()} again ({listed(made)})"] if made else []
        told += [f"did not for {listed(skipped)}"] if skipped else []
        return "; ".join(told), saved

    def _fallback(self, _scope: str, route: str) -> tuple[str, int]:
        stood = [request for request in self._record.requests if request.route == route and request.fallback]
        return (f"stood in for {len(stood)}", sum(request.ok for request in stood)) if stood else ("", 0)

    def _hold(self, _scope: str, upstream: str) -> tuple[str, int]:
        counts = self._of("hold", upstream)
        if not counts:
            return "", 0
        others = {word: count for word, count in counts.items() if word not in ("held", "released")}
        told = f"held {counts['held']}, let go {counts['released']}"
        return (f"{told}; {listed(others)}" if others else told), counts["released"]

    def _checks(self, _scope: str, upstream: str) -> tuple[str, int]:
        counts = self._of("check", upstream)
        turns = Counter(
            str(event.fields.get("to"))
            for event in self._record.events
            if event.kind == "health" and event.fields.get("upstream") == upstream
        )
        told = f"asked {counts.total()} times" + (f"; found an endpoint {listed(turns)}" if turns else "")
        return (told, 0) if counts else ("", 0)

    def _ejection(self, _scope: str, upstream: str) -> tuple[str, int]:
        ejected = sum(e.kind == "ejected" and e.fields.get("upstream") == upstream for e in self._record.events)
        return (f"took an endpoint out {_times(ejected)}", 0) if ejected else ("", 0)

    def _pool(self, _scope: str, upstream: str) -> tuple[str, int]:
        full = sum(one.reason == "overloaded" and one.upstream == upstream for one in self._record.requests)
        return (f"refused {full}", 0) if full else ("", 0)


def listed(counts: Mapping[str, int]) -> str:
    """`503 × 12, reset × 3`, most first."""
    return ", ".join(f"{word} × {count}" for word, count in ordered(counts.items()))


def ordered(counts: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    """Most first, then by name."""
    return sorted(counts, key=lambda one: (-one[1], one[0]))


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
