"""The timeline's panels: what clients got, what refused, who was how when, how long it took, what the backend had.

Owns which values of a report become which series. The classes of an error have the same tones here as in the tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sidecar.drill.figures import State
from sidecar.drill.plot import Band, Bands, Columns, Lines, Panel, Series
from sidecar.drill.record import Record, Request
from sidecar.drill.report import Report

_OUTCOMES = {
    "answered": "good",
    "answered after another attempt": "accent",
    "unavoidable": "note",
    "price of a rule": "warn",
    "avoidable": "bad",
}
_OF_CLASS = {"unavoidable": "unavoidable", "price": "price of a rule", "avoidable": "avoidable"}
_PALETTE = ("warn", "second", "third", "fourth", "accent", "note")
_STATES = {
    "closed": "good",
    "half_open": "warn",
    "open": "bad",
    "available": "good",
    "down": "bad",
    "ejected": "warn",
}
_ENDS = {
    "answered": "good",
    "failed": "bad",
    "reset": "second",
    "garbage": "fourth",
    "truncated": "third",
    "stalled": "warn",
    "killed": "bad",
    "aborted": "note",
    "cut": "note",
}


def panels(report: Report) -> list[Panel]:
    """All panels, in order."""
    found: list[Panel] = [_requests(report)]
    reasons = _reasons(report)
    found += [reasons] if reasons.series else []
    found += [Bands("States", _rows(report)), _waits(report), _attempts(report)]
    return found


def _requests(report: Report) -> Columns:
    time = report.time
    counted = time.by((request.ended, _outcome(report, request)) for request in report.record.requests)
    series = [Series(word, tone, counted[word]) for word, tone in _OUTCOMES.items() if word in counted]
    return Columns("Requests, by what became of them", "/s", series)


def _outcome(report: Report, request: Request) -> str:
    if not request.ok:
        return _OF_CLASS[report.causes[request.number].kind]
    return "answered after another attempt" if request.attempts > 1 or request.fallback else "answered"


def _reasons(report: Report) -> Columns:
    counted = report.time.by(
        (request.ended, request.reason or request.failure or str(request.status))
        for request in report.record.requests
        if not request.ok
    )
    return Columns("Errors, by reason", "/s", _coloured(counted))


def _coloured(counted: Mapping[str, Sequence[float]]) -> list[Series]:
    """Each word in a tone of its own; what is past the palette is told together."""
    words = list(counted)
    kept, rest = words[: len(_PALETTE)], words[len(_PALETTE) :]
    if rest:
        rest = [kept.pop(), *rest]
    series = [Series(word, tone, counted[word]) for word, tone in zip(kept, _PALETTE, strict=False)]
    if rest:
        series.append(
            Series("others", _PALETTE[-1], [sum(those) for those in zip(*(counted[w] for w in rest), strict=True)])
        )
    return series


def _rows(report: Report) -> list[tuple[str, list[Band]]]:
    rows = [(f"{name}, in truth", bands) for name, bands in _truth(report.record, report.time.seconds)]
    rows += [(f"breaker {name}", _bands(states)) for name, states in report.breakers.items()]
    rows += [(f"{name}, as seen by Sidecar", _bands(states)) for name, states in report.endpoints.items()]
    return rows


def _truth(record: Record, seconds: float) -> list[tuple[str, list[Band]]]:
    rows = []
    for endpoint in record.endpoints:
        ills = sorted(endpoint.ill, key=lambda ill: ill.at)
        edges = [0.0, *(edge for ill in ills for edge in (ill.at, min(ill.until, seconds))), seconds]
        well = zip(edges[::2], edges[1::2], strict=True)
        bands = [Band(begun, ended, "good", "well") for begun, ended in well if ended > begun]
        bands += [Band(ill.at, min(ill.until, seconds), _ill_tone(ill.do), ill.do) for ill in ills]
        rows.append((endpoint.name, bands))
    return rows


def _ill_tone(do: str) -> str:
    return "warn" if do in ("slow", "fail") else "bad"


def _bands(states: Sequence[State]) -> list[Band]:
    return [Band(state.begun, state.ended, _STATES.get(state.word, "note"), state.word) for state in states]


def _waits(report: Report) -> Lines:
    requests = report.record.requests
    series = [
        Series(name, tone, [None if one is None else 1000 * one for one in report.time.quantiles(requests, share)])
        for name, share, tone in (("p50", 0.5, "accent"), ("p99", 0.99, "second"))
    ]
    return Lines("Latency of those answered", "ms", series, log=True)


def _attempts(report: Report) -> Columns:
    counted = report.time.by((attempt.began, attempt.end) for attempt in report.record.attempts)
    series = [Series(word, tone, counted[word]) for word, tone in _ENDS.items() if word in counted]
    return Columns("Attempts, as the backend saw them end", "/s", series)
