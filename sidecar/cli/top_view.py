"""One frame of `sidecar top` as lines: what is wrong, then rates and latency of the last interval. Pure.

A screen has room for so many lines: every part shows its first rows, the parts share what is left alike, and scrolling
moves all that were cut. A part is sorted by what is wrong, then by traffic, so what matters is never scrolled away.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sidecar.cli import status_sheets as sheets
from sidecar.cli.alarms import alarms, failing, refused
from sidecar.cli.figures import bars, instant, rate, ratio, span
from sidecar.cli.rates import Flow, Pace
from sidecar.cli.sheets import EMPTY, Cell, Line, Sheet, Tone, laid, line, row
from sidecar.cli.status_view import health, summary

_EVENTS = 50
_KEYS = "q quit  p pause  j/k scroll"
_NOTHING = Flow()
# Of a part that is shown: the line above it, its heads, and a row.
_LEAST = 3


@dataclass(frozen=True, slots=True)
class View:
    """What a frame is made of. `pace` is None while there are not two looks at one process; `history` is requests a
    second, the oldest first; `trouble` says why there is no newer look; `now` is Unix seconds."""

    told: Mapping[str, Any]
    events: Sequence[Mapping[str, Any]]
    now: float
    pace: Pace | None = None
    history: Sequence[float | None] = ()
    trouble: str = ""
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Frame:
    """The lines of a screen, and how far it can be scrolled."""

    lines: list[Line]
    furthest: int


def frame(view: View, width: int, height: int, scroll: int = 0) -> Frame:
    """What fits a screen; the last line tells the keys."""
    head = _head(view)
    parts = _parts(view, width)
    heights = shares([len(part) for part in parts], height - len(head) - 1)
    lines, furthest = list(head), 0
    for part, room in zip(parts, heights, strict=True):
        if room:
            lines += _window(part, room, scroll)
            furthest = max(furthest, len(part) - room)
    lines = lines[: height - 1]
    lines += [EMPTY] * (height - 1 - len(lines))
    return Frame([*lines, _foot(view, furthest)], furthest)


def page(view: View) -> list[Line]:
    """The whole frame, for who has no screen."""
    time = line(Cell(instant(view.now), Tone.FAINT))
    return [time, *_head(view), *(one for part in _parts(view, None) for one in part)]


def starting(trouble: str, height: int) -> Frame:
    """The frame before anything is known."""
    said = line(Cell(trouble, Tone.BAD)) if trouble else line("looking …")
    return Frame([said, *[EMPTY] * (height - 2), line(Cell("q quit", Tone.FAINT))], 0)


def shares(wanted: Sequence[int], room: int) -> list[int]:
    """How many lines each part gets of the room, none more than it wants. The first has half if it wants it; the others
    come in their order as long as there is room for a row of them, and what is left is shared alike."""
    given = [0] * len(wanted)
    for place, want in enumerate(wanted):
        least = min(want, _LEAST if place else max(_LEAST, room // 2))
        if least > room:
            break
        given[place] = least
        room -= least
    while room > 0 and (hungry := [place for place, want in enumerate(wanted) if 0 < given[place] < want][:room]):
        for place in hungry:
            given[place] += 1
        room -= len(hungry)
    return given


def _head(view: View) -> list[Line]:
    """Three lines, always, so that nothing below jumps."""
    trouble = line(Cell(view.trouble, Tone.BAD)) if view.trouble else EMPTY
    return [summary(view.told), _totals(view), trouble or (health(view.told) or [EMPTY])[0]]


def _totals(view: View) -> Line:
    in_flight = sum(route["in_flight"] for route in view.told["routes"])
    if view.pace is None:
        return line(Cell("measuring …", Tone.FAINT), f"  {in_flight} in flight")
    total = view.pace.total()
    return line(
        Cell(f"{rate(total.requests)} req/s", Tone.HEAD),
        "  ",
        Cell(f"{ratio(total.errors, total.requests)} 5xx", Tone.BAD if total.errors else Tone.PLAIN),
        "  ",
        Cell(f"{rate(total.refused)}/s refused", Tone.WARN if total.refused else Tone.PLAIN),
        f"  {in_flight} in flight  p50 {span(total.latency(0.5))}  p99 {span(total.latency(0.99))}",
        # Last, because a narrow screen cuts it off.
        f"  {bars(view.history)}",
    )


def _parts(view: View, width: int | None) -> list[list[Line]]:
    """The parts in their order, each with an empty line before it; what there is none of has no part."""
    told, pace = view.told, view.pace
    shown = (
        _routes(told, pace),
        _upstreams(told, pace),
        _worst_first(sheets.endpoints(told), 1),
        _worst_first(sheets.breakers(told), 1),
        sheets.workers(told),
        sheets.events(view.events, view.now, _EVENTS),
    )
    return [[EMPTY, *_wrong(view, width)], *([EMPTY, *laid(sheet, width)] for sheet in shown if sheet.rows)]


def _wrong(view: View, width: int | None) -> list[Line]:
    pace = view.pace or Pace(0.0)
    often = sorted(pace.refusals.items(), key=lambda one: -one[1])
    refusals = [refused(what, f"{rate(per_second)}/s") for what, per_second in often]
    found = [*alarms(view.told), *refusals, *failing(pace)]
    if not found:
        return [line(Cell("nothing is wrong", Tone.GOOD))]
    return [line(Cell("WRONG", Tone.HEAD)), *(part for one in found for part in _folded(one, width))]


def _folded(one: Line, width: int | None) -> list[Line]:
    """A line as many as the width makes of it: the end of what is wrong may be why."""
    if width is None:
        return [one]
    return [
        line(Cell(text, cell.tone))
        for cell in one
        for text in textwrap.wrap(cell.text, max(width, 20), subsequent_indent="  ")
    ]


def _routes(told: Mapping[str, Any], pace: Pace | None) -> Sheet:
    flows = {} if pace is None else pace.routes
    named = [(route, flows.get(route["name"], _NOTHING)) for route in told["routes"]]
    named.sort(key=lambda one: (-(one[1].errors + one[1].refused), -one[1].requests))
    return Sheet(
        ("ROUTE", ">REQ/S", ">5XX/S", ">REFUSED/S", ">RETRY/S", ">ACTIVE", ">P50", ">P99", "LIMITS"),
        [
            row(
                route["name"],
                _rate(pace, flow.requests),
                _rate(pace, flow.errors, Tone.BAD),
                _rate(pace, flow.refused, Tone.WARN),
                _rate(pace, flow.retries, Tone.WARN) if flow.retries else "",
                route["in_flight"],
                span(flow.latency(0.5)),
                span(flow.latency(0.99)),
                sheets.limits(route),
            )
            for route, flow in named
        ],
    )


def _upstreams(told: Mapping[str, Any], pace: Pace | None) -> Sheet:
    flows = {} if pace is None else pace.upstreams
    named = [(upstream, flows.get(upstream["name"], _NOTHING)) for upstream in told["upstreams"]]
    named.sort(key=lambda one: (-one[1].errors, -one[1].requests))
    return Sheet(
        ("UPSTREAM", ">TRIES/S", ">FAILED/S", ">P50", ">P99", "FAILED BY", "HELD"),
        [
            row(
                upstream["name"],
                _rate(pace, flow.requests),
                _rate(pace, flow.errors, Tone.BAD),
                span(flow.latency(0.5)),
                span(flow.latency(0.99)),
                ", ".join(f"{cause} {rate(often)}" for cause, often in flow.failures.items()),
                sheets.limits(upstream),
            )
            for upstream, flow in named
        ],
    )


def _rate(pace: Pace | None, per_second: float, tone: Tone = Tone.PLAIN) -> Cell:
    return Cell(rate(None if pace is None else per_second), tone if per_second else Tone.PLAIN)


def _worst_first(sheet: Sheet, place: int) -> Sheet:
    """The rows whose cell at `place` says that something is wrong, before the others."""
    order = (Tone.BAD, Tone.WARN)
    worst = sorted(sheet.rows, key=lambda one: order.index(one[place].tone) if one[place].tone in order else 2)
    return Sheet(sheet.head, worst)


def _window(part: list[Line], room: int, scroll: int) -> list[Line]:
    """So many lines of a part, its heads always; the line above them says which of the rows these are."""
    if len(part) <= room:
        return part
    _, head, *rows = part
    shown = room - 2
    first = min(scroll, len(rows) - shown)
    where = Cell(f"{first + 1}-{first + shown} of {len(rows)}", Tone.FAINT)
    return [line(where), head, *rows[first : first + shown]]


def _foot(view: View, furthest: int) -> Line:
    keys = _KEYS if furthest else _KEYS.partition("  j/k")[0]
    return line(Cell(keys, Tone.FAINT), Cell("  paused", Tone.WARN) if view.paused else "")
