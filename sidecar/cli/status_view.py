"""`sidecar status` as lines: the whole on top and what is wrong with it, then each part as a table. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sidecar.cli import status_sheets as sheets
from sidecar.cli.alarms import alarms, refused
from sidecar.cli.figures import UNKNOWN, age, left, mebibytes, span
from sidecar.cli.rates import refusals
from sidecar.cli.sheets import EMPTY, Cell, Line, Tone, laid, line

# So many refusals stand on top; the table below has them all.
_REFUSALS = 5
_EVENTS = 8


def report(told: Mapping[str, Any], events: Sequence[Mapping[str, Any]], now: float) -> list[Line]:
    """Everything, as wide as it is; what there is none of has no table. `told` is /status, `events` the oldest first,
    `now` Unix seconds."""
    often = sorted(refusals(told).items(), key=lambda one: -one[1])
    lines = [summary(told), *health(told), *alarms(told)]
    lines += [refused(what, f"{count} since the start") for what, count in often[:_REFUSALS]]
    if len(often) > _REFUSALS:
        lines.append(line(Cell(f"and {len(often) - _REFUSALS} other refusals, see below", Tone.WARN)))
    for sheet in (
        sheets.routes(told),
        sheets.refused(told),
        sheets.upstreams(told),
        sheets.endpoints(told),
        sheets.listeners(told),
        sheets.breakers(told),
        sheets.workers(told),
        sheets.policies(told),
        sheets.events(events, now, _EVENTS),
    ):
        if sheet.rows:
            lines += [EMPTY, *laid(sheet)]
    return lines


def summary(told: Mapping[str, Any]) -> Line:
    """What is running, since when, under which rules, and whether it serves."""
    rules = told["rules"]
    return line(
        *phase(told),
        f", up {age(told['uptime_seconds'])}, version {told.get('version', UNKNOWN)}, "
        f"rules {rules['hash'][:12]} (generation {rules['generation']})",
    )


def phase(told: Mapping[str, Any]) -> tuple[Cell, ...]:
    """The phase; of a drain why, what is still to end, and until when."""
    word = told["phase"]
    ready = word == "serving" and not told["not_ready"]
    cells: tuple[Cell, ...] = (Cell(word, Tone.GOOD if ready else Tone.BAD),)
    drain = told.get("drain")
    if drain is not None and drain["why"]:
        until = drain["deadline_left_seconds"]
        limit = "" if until is None else f", {left(until)} left"
        cells += (Cell(f" ({drain['why']}: {sum(drain['in_flight'].values())} to end{limit})", Tone.WARN),)
    return cells


def health(told: Mapping[str, Any]) -> list[Line]:
    """The connections and the process itself; nothing where no worker is there to tell."""
    if "connections" not in told:
        return []
    down, up = told["connections"]["downstream"], told["connections"]["upstream"]
    return [
        line(
            f"downstream {sum(down.values())} ({down['active']} active), "
            f"upstream {sum(up.values())} ({up['active']} active), loop lag {span(told['loop_lag_seconds'])}, "
            f"memory {mebibytes(told['pressure']['memory']['resident_bytes'])}"
        )
    ]
