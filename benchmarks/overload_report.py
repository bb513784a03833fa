"""The overload benchmark's result as Markdown tables, and as the plot of docs/overload.svg."""

import math
from collections.abc import Callable, Sequence

from benchmarks.overload_result import Result
from benchmarks.overload_rows import ADAPTIVE, NAMES, PLAIN, ROWS, TOLD
from benchmarks.plot import Panel, plot
from benchmarks.report import table

_ABSENT = "–"
BEGIN, END = "<!-- measured -->", "<!-- /measured -->"
"""Between these two lines of docs/overload.md stands what was measured."""


def _share(value: float | None) -> str:
    return _ABSENT if value is None else f"{100 * value:.0f} %"


def _ms(seconds: float | None) -> str:
    if seconds is None or not math.isfinite(seconds):
        return _ABSENT
    return f"{seconds * 1e3:.1f}" if seconds < 0.01 else f"{seconds * 1e3:.0f}"


def _names(result: Result, *kinds: str) -> list[str]:
    measured = {point.row for point in (*result.ramp, *result.steps)}
    wanted = kinds or (PLAIN, ADAPTIVE, TOLD)
    return [row.name for row in ROWS if row.name in measured and row.kind in wanted]


def _bold(name: str) -> str:
    return f"**{name}**" if name.startswith("sidecar") else name


def _by_load(result: Result, title: str, cell: Callable[[str, float], str], last: Callable[[str], str] | None) -> str:
    header = [title, *(f"{load:g} ×" for load in result.loads()), *(["kept"] if last else [])]
    lines = [
        [_bold(name), *(cell(name, load) for load in result.loads()), *([last(name)] if last else [])]
        for name in _names(result)
    ]
    return table(header, lines)


def _latency(result: Result, name: str, load: float) -> str:
    point = result.point(name, load)
    return _ABSENT if point is None else _ms(point.verdict.p99)


def _beyond(result: Result, load: float) -> str:
    """What callers and the backend saw at one load beyond the capacity."""
    lines = []
    for name in _names(result):
        point = result.point(name, load)
        if point is None:
            continue
        seen = point.verdict
        lost = seen.lost / seen.offered if seen.offered else 0.0
        lines.append(
            [
                _bold(name),
                _share(result.goodput(name, load)),
                _ms(seen.p50),
                _ms(seen.p99),
                _share(point.refused_share),
                _ms(seen.refused_p50),
                _ms(seen.refused_p99),
                _share(lost),
                _share(point.wasted_share),
            ]
        )
    header = ["goodput", "p50 ms", "p99 ms", "refused", "refused in, p50 ms", "p99 ms", "hung up", "work wasted"]
    return table([f"at {load:g} ×", *header], lines)


def _slowdown(result: Result) -> str:
    slow = result.slowdown
    lines = []
    for name in _names(result):
        if result.step(name) is None:
            continue
        back = result.recovery(name)
        lines.append(
            [
                _bold(name),
                _share(result.phase(name, 3, slow.begins)),
                _share(result.phase(name, slow.begins, slow.ends)),
                _share(result.phase(name, slow.ends, slow.seconds)),
                f"> {slow.seconds - slow.ends:.0f} s" if back is None else f"{back:.0f} s",
            ]
        )
    return table(["through a slowdown", "before", "slow", "after", "back after"], lines)


def tables(result: Result) -> str:
    """All of it as Markdown, with the command, the date and the machine."""
    lags = [point.verdict.lag_p99 for point in (*result.ramp, *result.steps)]
    busiest = max((point.busy for point in (*result.ramp, *result.steps)), default=math.nan)
    loads = result.loads()
    shown = [load for load in loads if load > 1]
    parts = [
        f"`{result.settings['command']}`, {result.date[:10]}, commit {result.commit}, "
        f"{result.machine['cpus']} processors ({result.machine['processor']}); "
        + ", ".join(f"{name} {version}" for name, version in result.versions.items())
        + ".",
    ]
    if loads:
        parts += [
            "Goodput as a share of the capacity; *kept* is the lowest from 1 × on as a share of the highest:",
            _by_load(
                result,
                "goodput",
                lambda name, load: _share(result.goodput(name, load)),
                lambda name: _share(result.kept(name)),
            ),
            "p99 in ms of what was not refused; a caller that hung up counts as its patience:",
            _by_load(result, "p99 ms", lambda name, load: _latency(result, name, load), None),
        ]
    if shown:
        parts += [
            "What callers and the backend saw beyond the capacity:",
            _beyond(result, 2.0 if 2.0 in shown else shown[-1]),
        ]
    if result.steps:
        slow = result.slowdown
        parts += [
            f"{slow.load:g} × is offered all the time; from {slow.begins:.0f} s to {slow.ends:.0f} s each request "
            f"takes {slow.factor:g} times as long, so that {_share(1 / slow.factor)} of the capacity are left. "
            "Goodput in each phase, as a share of the whole capacity, and how long after the end nine tenths of what "
            "is offered were answered again:",
            _slowdown(result),
        ]
    parts.append(
        f"The machine was {_share(busiest)} busy at most, and the generators were "
        f"{_ms(max(lags, default=math.nan))} ms late at most (p99)."
    )
    return "\n\n".join(parts) + "\n"


def _ordered(names: Sequence[str]) -> list[str]:
    """Sidecar's first, which lie on top; the adaptive one first of all."""
    return sorted(
        names, key=lambda name: (not name.startswith("sidecar"), not name.endswith("adaptive"), NAMES.index(name))
    )


def _goodput_panel(result: Result, title: str, names: Sequence[str]) -> Panel:
    def values(name: str) -> list[float | None]:
        return [None if (good := result.goodput(name, load)) is None else 100 * good for load in result.loads()]

    return Panel(
        title=title,
        label="answers 200 within a second, share of the capacity",
        x=result.loads(),
        series={name: values(name) for name in _ordered(names)},
        unit="%",
        x_label="offered load, in capacities",
        log_x=True,
        bounds=(0, 105),
    )


def _latency_panel(result: Result, names: Sequence[str]) -> Panel:
    def values(name: str) -> list[float | None]:
        points = [result.point(name, load) for load in result.loads()]
        return [None if point is None else point.verdict.p99 * 1e3 for point in points]

    return Panel(
        title="How long the admitted take",
        label="p99; a caller that hung up counts as its patience",
        x=result.loads(),
        series={name: values(name) for name in _ordered(names)},
        unit="ms",
        x_label="offered load, in capacities",
        log=True,
        log_x=True,
        bounds=(20, None),
    )


def _time_panel(result: Result, title: str, names: Sequence[str]) -> Panel:
    slow = result.slowdown
    steps = [point for name in _ordered(names) if (point := result.step(name)) is not None]
    length = max((len(point.verdict.series) for point in steps), default=0)
    return Panel(
        title=title,
        label="answers 200 within a second to the requests of each second, share of the capacity",
        x=[float(second) for second in range(length)],
        series={point.row: [100 * good / result.capacity for good in point.verdict.series] for point in steps},
        unit="%",
        x_label="seconds",
        marks={slow.begins: f"{slow.factor:g} times as slow", slow.ends: "as before"},
        bounds=(0, 125),
    )


def draw(result: Result) -> str:
    """The plot. Raises ValueError when nothing was measured."""
    plain, limited = _names(result, PLAIN), _names(result, ADAPTIVE, TOLD)
    if not plain and not limited:
        raise ValueError("nothing was measured, so there is nothing to draw")
    panels = []
    if result.ramp:
        panels += [
            _goodput_panel(result, "Goodput without a limit", plain),
            _goodput_panel(result, "Goodput with a limit: found (adaptive), or told the capacity", limited),
            _latency_panel(result, limited),
        ]
    if result.steps:
        panels += [
            _time_panel(result, "A backend that slows down, with a limit", limited),
            _time_panel(result, "The same without one", plain),
        ]
    shown = [panel for panel in panels if panel.series]
    note = f"a backend of {result.settings['backend']} · callers hang up after a second · {result.date[:10]}"
    return plot("Goodput and latency of Sidecar and other proxies beyond the capacity of a backend", shown, note)


def put_in(page: str, text: str) -> str:
    """`page` with `text` between its marks. Raises ValueError where they are not both there."""
    before, mark, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not mark or not end:
        raise ValueError(f"the page has no {BEGIN} … {END}")
    return f"{before}{BEGIN}\n{text}{END}{after}"
