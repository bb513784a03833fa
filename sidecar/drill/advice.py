"""What would have done better: settings to try for the prices that were paid, and what trying them has shown.

Advice is never a guess: a setting is named only after the same drill, with it, had fewer errors. Whoever runs drills
tries; here is what to try, and what to say of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sidecar.drill.report import Report, wait_text
from sidecar.policies.units import parse_duration, show_duration

# What is less than this of the errors is not worth a line in anybody's rules.
_WORTH = 0.02
_CROWD = 5  # so many times what an endpoint works on have waited there
_SHORT_OPEN = 5.0
_ATTEMPT = "3s"
_USUAL_ATTEMPTS = 3
_MOST_ATTEMPTS = 5
_PATIENCE = ("timeout=10s", "max_requests=1000")


@dataclass(frozen=True, slots=True)
class Advice:
    """Settings, as `--set` takes them, and the errors of the same drill without and with them."""

    sets: tuple[str, ...]
    sentence: str
    before: int
    after: int


def candidates(report: Report) -> list[tuple[str, ...]]:
    """Settings worth a try, those first that most errors were the price of."""
    found: dict[tuple[str, ...], None] = {}
    places = report.record.scenario.backend.places
    if places and any(endpoint.most > _CROWD * places for endpoint in report.record.endpoints):
        found = {(f"routes.{name}.concurrency.max=adaptive",): None for name in _unlimited(report)}
    least = _WORTH * max(1, report.verdict.errors)
    for group in report.verdict.groups:
        setting = group.cause.setting
        if setting is not None and group.count >= least:
            found |= dict.fromkeys(_instead(setting.key, setting.value))
    return list(found)


def _unlimited(report: Report) -> list[str]:
    """Routes of the load that let everything in at once."""
    used = {request.route for request in report.record.requests if not request.ok}
    rules = report.record.loaded.rules.routes
    return [rule.name for rule in rules if rule.name in used and not rule.policies.get("concurrency")]


def _instead(key: str, value: str) -> list[tuple[str, ...]]:
    """Settings that ask less of this price, those first that change least; none where all are worse in general."""
    policy, _, last = key.partition(".")[2].partition(".")[2].partition(".")
    owner = key.removesuffix(f".{last}") if last else key
    match policy, last:
        case "circuit_breaker", "open_for" | "max_open_for" if parse_duration(value) > _SHORT_OPEN:
            return [(f"{key}={show_duration(_SHORT_OPEN)}",)]
        case "hold", _:
            return [tuple(f"{owner}.{one}" for one in _PATIENCE)]
        case "timeout", "attempt":
            return [(f"{key}={_ATTEMPT}",)]
        case "retry", "" if value == "null":
            again = f"{key}.max_attempts={_USUAL_ATTEMPTS}"
            return [(again,), (again, f"{key.removesuffix('retry')}timeout.attempt={_ATTEMPT}")]
        case "retry", "max_attempts" if int(value) < _MOST_ATTEMPTS:
            return [(f"{key}={_MOST_ATTEMPTS}",)]
        case "health_check", "interval":
            return [(f"{key}=1s",)]
    return []


def learned(before: Report, best: Report, after: Report, sets: Sequence[str]) -> Advice | None:
    """What a drill with these settings has shown, beside the one `before` them; None where it was no better than the
    `best` so far."""
    had, has = before.verdict.errors, after.verdict.errors
    if has > best.verdict.errors * (1 - _WORTH) or after.verdict.count("avoidable") > best.verdict.count("avoidable"):
        return None
    told = f"{has:,} instead of {had:,} errors"
    if after.amplification > max(1.0, before.amplification) * 1.05:
        told += f", for {after.amplification:.2f} instead of {before.amplification:.2f} attempts a request"
    was, now = before.wait(0.99), after.wait(0.99)
    if was is not None and now is not None and now > 2 * was:
        told += f", and a p99 of {wait_text(now)} instead of {wait_text(was)}, for those that waited are answered"
    return Advice(tuple(sets), f"{told}.", had, has)
