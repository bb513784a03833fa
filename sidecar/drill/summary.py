"""A drill in a terminal, in ten lines or so; and as JSON, whose names stay.

Knows no terminal: who prints it says how wide it may be.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sidecar.drill.advice import Advice
from sidecar.drill.causes import CLASSES, Cause
from sidecar.drill.figures import faults
from sidecar.drill.report import Report, span_text, wait_text

_BARS = " ▁▂▃▄▅▆▇█"
_MOST_CAUSES = 6
_LABEL = 10
_NARROWEST = 20


def summary(report: Report, width: int = 100, advice: Sequence[Advice] = ()) -> list[str]:
    """The lines."""
    record = report.record
    every, room = len(record.requests), max(_NARROWEST, width - _LABEL)
    lines = [f"{record.scenario.name}: {record.scenario.about}".rstrip(": "), "", report.sentence]
    lines += _sparks(report, room)
    for group in report.verdict.groups[:_MOST_CAUSES]:
        lines.append(f"{group.count:>8,}  {group.cause.kind}: {_told(group.cause)}")
    if len(report.verdict.groups) > _MOST_CAUSES:
        lines.append(f"{'':>8}  and {len(report.verdict.groups) - _MOST_CAUSES} other causes")
    lines.append(
        f"{every:,} requests, {report.saved:,} saved; {report.amplification:.2f} attempts each; "
        f"p50 {wait_text(report.wait(0.5))}, p99 {wait_text(report.wait(0.99))}"
    )
    for one in report.recoveries:
        told = "went on failing" if one.seconds is None else f"failed for another {wait_text(one.seconds)}"
        fared = f"what came then {told}" if one.seconds != 0 else "whatever came then was answered"
        lines.append(f"{one.name} until {span_text(one.ended)}: {fared}")
    for tried in advice:
        lines.append(f"better with {' '.join(f'--set {word}' for word in tried.sets)}: {tried.sentence}")
    for expected in report.expectations:
        word = "met" if expected.met else "NOT MET"
        lines.append(f"{word}: {expected.name} is {expected.found}, expected at most {expected.limit}")
    return lines


def _told(cause: Cause) -> str:
    return cause.sentence if cause.setting is None else f"{cause.setting} {cause.sentence}"


def _sparks(report: Report, room: int) -> list[str]:
    """Answers and errors over time, and when something was wrong, each mark the same time as the one below it."""
    columns = min(room, report.time.bins)
    seconds = report.time.seconds

    def row(instants: list[float]) -> str:
        counts = [0] * columns
        for at in instants:
            counts[min(columns - 1, max(0, int(at / seconds * columns)))] += 1
        most = max(counts, default=0) or 1
        return "".join(_BARS[-(-count * (len(_BARS) - 1) // most)] for count in counts)

    wrong = [(at, until) for _, at, until in faults(report.record)]
    middles = [(place + 0.5) / columns * seconds for place in range(columns)]
    shades = "".join("─" if any(at <= middle < until for at, until in wrong) else " " for middle in middles)
    lines = [f"{'answered':<{_LABEL}}{row([one.ended for one in report.record.requests if one.ok])}"]
    if report.verdict.errors:
        lines.append(f"{'failed':<{_LABEL}}{row([one.ended for one in report.record.requests if not one.ok])}")
    if wrong:
        lines.append(f"{'ill':<{_LABEL}}{shades}".rstrip())
    return [*lines, ""]


def as_mapping(report: Report, advice: Sequence[Advice] = ()) -> dict[str, Any]:
    """The same for programs. Seconds are seconds, ratios are from 0 to 1."""
    record, verdict = report.record, report.verdict
    return {
        "scenario": record.scenario.name,
        "seed": record.seed,
        "real": record.real,
        "seconds": record.scenario.duration,
        "met": report.met,
        "sentence": report.sentence,
        "requests": {
            "total": len(record.requests),
            "answered": len(record.requests) - verdict.errors,
            "saved": report.saved,
            "failed": verdict.errors,
            **{kind: verdict.count(kind) for kind in CLASSES},
        },
        "latency": {"p50": report.wait(0.5), "p99": report.wait(0.99)},
        "attempts_per_request": report.amplification,
        "causes": [
            {
                "class": group.cause.kind,
                "count": group.count,
                "sentence": group.cause.sentence,
                "code": group.cause.code,
            }
            | {"first": group.first, "last": group.last}
            | _setting(group.cause)
            for group in verdict.groups
        ],
        "phases": [
            {"name": one.name, "from": one.begun, "to": one.ended, "requests": one.requests, "failed": one.failed}
            | {"p50": one.p50, "p99": one.p99}
            for one in report.phases
        ],
        "recoveries": [{"name": one.name, "over": one.ended, "seconds": one.seconds} for one in report.recoveries],
        "policies": [
            {"policy": one.policy, "owner": one.owner, "did": one.did, "saved": one.saved, "cost": one.cost}
            | {"key": one.setting.key, "value": one.setting.value, "from": one.setting.origin}
            for one in report.parts
        ],
        "endpoints": [
            {"name": one.name, "upstream": one.upstream, "requests": one.requests, "aborted": one.aborted}
            | {"connections": one.connections, "refused": one.refused, "most_at_once": one.most}
            for one in record.endpoints
        ],
        "expectations": [
            {"name": one.name, "limit": one.limit, "found": one.found, "met": one.met} for one in report.expectations
        ],
        "advice": [
            {"set": list(one.sets), "sentence": one.sentence, "errors_before": one.before, "errors_after": one.after}
            for one in advice
        ],
        "notes": list(record.notes),
    }


def _setting(cause: Cause) -> dict[str, str]:
    if cause.setting is None:
        return {}
    return {"key": cause.setting.key, "value": cause.setting.value, "from": cause.setting.origin}
