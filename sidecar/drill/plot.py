"""Panels of one timeline, drawn as a part of an HTML page: stacked columns, lines, and bands of states.

Owns how values become marks. Knows nothing of drills. Only the marks are SVG, stretched to the width there is; every
word stays HTML, so that it keeps its size on a phone. No script: what lies under the pointer is told by `<title>`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

# The marks' own coordinates; the page stretches them.
_WIDE = 1000.0
_HIGH = 100.0
_TICKS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)
_MOST_TICKS = 8
_STEPS = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)
_LEAST = 1e-9  # less is nothing: a scale of it would only show noise
_THINNEST = 2.0  # of a band: what lasted for a moment is seen, too


@dataclass(frozen=True, slots=True)
class Series:
    """One row of values, one for each bin of time; None where there is none. `tone` is a class of the page's style."""

    name: str
    tone: str
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Columns:
    """Stacked columns, the first series at the bottom."""

    title: str
    unit: str
    series: Sequence[Series]


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines over each other; `log`: by powers of ten, for what spans several."""

    title: str
    unit: str
    series: Sequence[Series]
    log: bool = False


@dataclass(frozen=True, slots=True)
class Band:
    """A state that lasted, in seconds from the start."""

    begun: float
    ended: float
    tone: str
    word: str


@dataclass(frozen=True, slots=True)
class Bands:
    """Rows of states, each under its name."""

    title: str
    rows: Sequence[tuple[str, Sequence[Band]]]


@dataclass(frozen=True, slots=True)
class Shade:
    """A time that stands out in every panel."""

    begun: float
    ended: float
    word: str


Panel = Columns | Lines | Bands


def plotted(panels: Sequence[Panel], seconds: float, shades: Sequence[Shade] = ()) -> str:
    """The panels one below the other over the same `seconds`, their axis below the last."""
    drawn = [_panel(panel, seconds, shades) for panel in panels]
    return "\n".join(['<div class="plot">', *drawn, _axis(seconds), "</div>"])


def figure(value: float) -> str:
    """A number in as few characters as it needs: three digits that mean something."""
    if value < _LEAST:
        return "0"
    if value >= 1e6:
        return f"{figure(value / 1e6)} M"
    if value >= 100:
        return f"{value:,.0f}"
    digits = max(0, 2 - math.floor(math.log10(value)))
    text = f"{value:.{min(digits, 4)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def nice_above(value: float) -> float:
    """The next round number that is at least so much: where a scale ends."""
    if value < _LEAST:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in _STEPS if step * power >= value * (1 - 1e-9))


def _panel(panel: Panel, seconds: float, shades: Sequence[Shade]) -> str:
    if isinstance(panel, Bands):
        return _bands(panel, seconds, shades)
    top, bottom = _scale(panel)
    marks = _columns(panel.series, top) if isinstance(panel, Columns) else _lines(panel, top, bottom)
    first, last = (figure(top), figure(bottom) if bottom else "0")
    legend = "".join(
        f'<li class="{one.tone}"><i></i>{escape(one.name)}</li>' for one in panel.series if any(one.values)
    )
    return "\n".join(
        [
            '<figure class="panel">',
            f"<figcaption><h3>{escape(panel.title)}</h3><ul>{legend}</ul></figcaption>",
            f'<div class="marks"><span class="top">{first} {escape(panel.unit)}</span><span class="foot">{last}</span>',
            _svg(panel.title, [*_shaded(shades, seconds), *_grid(), *marks, *_told(panel, seconds)]),
            "</div></figure>",
        ]
    )


def _scale(panel: Columns | Lines) -> tuple[float, float]:
    if isinstance(panel, Columns):
        sums = [sum(one or 0.0 for one in column) for column in zip(*(one.values for one in panel.series), strict=True)]
        return nice_above(max(sums, default=0.0)), 0.0
    known = [value for one in panel.series for value in one.values if value and value >= _LEAST]
    if not panel.log:
        return nice_above(max(known, default=0.0)), 0.0
    if not known:
        return 10.0, 1.0
    bottom = 10.0 ** math.floor(math.log10(min(known)) + 1e-9)
    return max(10.0 ** math.ceil(math.log10(max(known)) - 1e-9), bottom * 10), bottom


def _columns(series: Sequence[Series], top: float) -> Iterable[str]:
    """One path for each series, its steps following the sums below and above it."""
    floor = [0.0] * max((len(one.values) for one in series), default=0)
    for one in series:
        if not any(one.values):
            continue
        ceiling = [below + (value or 0.0) for below, value in zip(floor, one.values, strict=True)]
        width = _WIDE / len(ceiling)
        outline = []
        for place, (low, high) in enumerate(zip(floor, ceiling, strict=True)):
            if high > low:
                left, upper, lower = place * width, _y(high, top), _y(low, top)
                outline.append(f"M{left:.2f} {lower:.2f}V{upper:.2f}h{width:.2f}V{lower:.2f}z")
        yield f'<path class="area {one.tone}" d="{"".join(outline)}"/>'
        floor = ceiling


def _lines(panel: Lines, top: float, bottom: float) -> Iterable[str]:
    for one in panel.series:
        width = _WIDE / max(1, len(one.values))
        path, pen = [], False
        for place, value in enumerate(one.values):
            if value is None:
                pen = False
                continue
            height = _y_of_log(value, top, bottom) if panel.log else _y(value, top)
            middle = (place + 0.5) * width
            # A point alone is a short line, or it would not be seen.
            path.append(
                f"L{middle:.2f} {height:.2f}" if pen else f"M{middle - width / 4:.2f} {height:.2f}h{width / 4:.2f}"
            )
            pen = True
        if path:
            yield f'<path class="line {one.tone}" d="{"".join(path)}"/>'


def _y(value: float, top: float) -> float:
    return _HIGH * (1 - min(1.0, value / top))


def _y_of_log(value: float, top: float, bottom: float) -> float:
    if value <= bottom:
        return _HIGH
    return _HIGH * (1 - min(1.0, math.log(value / bottom) / math.log(top / bottom)))


def _grid() -> Iterable[str]:
    for height in (0.0, 50.0, 100.0):
        yield f'<path class="grid" d="M0 {height:g}H{_WIDE:g}"/>'


def _shaded(shades: Sequence[Shade], seconds: float) -> Iterable[str]:
    for shade in shades:
        left, width = _span(shade.begun, shade.ended, seconds)
        yield (
            f'<rect class="shade" x="{left:.2f}" y="0" width="{width:.2f}" height="{_HIGH:g}">'
            f"<title>{escape(shade.word)}</title></rect>"
        )


def _told(panel: Columns | Lines, seconds: float) -> Iterable[str]:
    """What lies under the pointer, one column of time each."""
    for place, column in enumerate(zip(*(one.values for one in panel.series), strict=True)):
        said = [
            f"{one.name} {figure(value)}" for one, value in zip(panel.series, column, strict=True) if value is not None
        ]
        if not any(column):
            continue
        width = _WIDE / len(panel.series[0].values)
        since = place * seconds / len(panel.series[0].values)
        yield (
            f'<rect class="ask" x="{place * width:.2f}" y="0" width="{width:.2f}" height="{_HIGH:g}">'
            f"<title>{figure(since)} s: {escape(', '.join(said))} {escape(panel.unit)}</title></rect>"
        )


def _bands(panel: Bands, seconds: float, shades: Sequence[Shade]) -> str:
    rows = []
    for name, bands in panel.rows:
        marks = []
        for band in bands:
            left, width = _span(band.begun, band.ended, seconds)
            said = f"{band.word}, {figure(band.begun)} s to {figure(band.ended)} s"
            marks.append(
                f'<rect class="band {band.tone}" x="{left:.2f}" y="20" width="{max(_THINNEST, width):.2f}" height="60">'
                f"<title>{escape(said)}</title></rect>"
            )
        words = dict.fromkeys((band.word, band.tone) for band in bands if band.tone != "good")
        legend = "".join(f'<li class="{tone}"><i></i>{escape(word)}</li>' for word, tone in words)
        drawn = _svg(name, [*_shaded(shades, seconds), *marks])
        rows.append(
            f'<div class="row"><p><b>{escape(name)}</b></p><ul>{legend}</ul><div class="thin">{drawn}</div></div>'
        )
    return "\n".join(
        [f'<figure class="panel"><figcaption><h3>{escape(panel.title)}</h3></figcaption>', *rows, "</figure>"]
    )


def _span(begun: float, ended: float, seconds: float) -> tuple[float, float]:
    left = max(0.0, min(1.0, begun / seconds)) * _WIDE
    return left, max(0.0, min(1.0, ended / seconds) * _WIDE - left)


def _svg(title: str, marks: Iterable[str]) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDE:g} {_HIGH:g}" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(title)}">{"".join(marks)}</svg>'
    )


def _axis(seconds: float) -> str:
    step = next((tick for tick in _TICKS if seconds / tick <= _MOST_TICKS), math.ceil(seconds / _MOST_TICKS))
    marks = "".join(
        f'<span style="left:{100 * at / seconds:.2f}%">{at:g} s</span>'
        for at in range(0, math.floor(seconds) + 1, step)
    )
    return f'<div class="axis" aria-hidden="true">{marks}</div>'
