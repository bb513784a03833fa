"""Lines over an axis, written as SVG by hand: panels one below the other, each with its own axes.

It knows nothing of what is measured. As in `chart.py` there is no background, and every colour is a middle tone that
stands out on a light page and on a dark one. One colour is one family (the name up to its first blank), one dash
pattern a member of it, so that lines are told apart without colours too; Sidecar's own are blue and thick.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

_TEXT = "#768390"
_OURS = "#2f81f7"
_COLOURS = ("#3fa34d", "#d18616", "#d0538f", "#1a9c9c", "#a371f7", "#b3643e", "#8b949e")
_DASHES = ("", "7 4", "2 3", "9 3 2 3")
_WIDTH = 760
_LEFT = 70
_RIGHT = 16
_HEIGHT = 220
_KEY_LINE = 18
_CHARACTER = 7.2
_MOST_TICKS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One pair of axes. Values that are None or not finite leave a gap; on a log axis so do those that are not > 0."""

    title: str
    label: str
    """What the y axis counts; `unit` stands behind each of its figures."""
    x: Sequence[float]
    series: Mapping[str, Sequence[float | None]]
    unit: str = ""
    x_label: str = ""
    log: bool = False
    log_x: bool = False
    marks: Mapping[float, str] = field(default_factory=dict)
    """Vertical lines: where on the x axis, and what is written beside."""
    bounds: tuple[float | None, float | None] = (None, None)
    """Lowest and highest y shown, where the values themselves shall not say; lines beyond are cut off."""


@dataclass(frozen=True, slots=True)
class _Axis:
    """Values to pixels."""

    low: float
    high: float
    start: float
    end: float
    log: bool

    def at(self, value: float) -> float:
        if self.log:
            share = (math.log(value) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        found = _log_ticks(self.low, self.high) if self.log else _linear_ticks(self.low, self.high)
        slack = 1e-9 * (self.high - self.low)
        return [value for value in found if self.low - slack <= value <= self.high + slack]


def _linear_ticks(low: float, high: float) -> list[float]:
    rough = (high - low) / (_MOST_TICKS - 1)
    decade = 10.0 ** math.floor(math.log10(rough))
    step = decade * next(factor for factor in (1, 2, 5, 10) if factor * decade >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [round(place * step, 12) for place in range(first, math.floor(high / step + 1e-9) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1, 2, 5), (1,)):
        found = [float(f"{factor}e{decade}") for decade in decades for factor in factors]
        shown = [value for value in found if low <= value <= high]
        if len(shown) <= 2 * _MOST_TICKS:
            return shown
    return shown[:: math.ceil(len(shown) / _MOST_TICKS)]


def _shown(value: float | None, log: bool) -> bool:
    return value is not None and math.isfinite(value) and (value > 0 or not log)


def _range(
    values: Sequence[float], log: bool, bounds: tuple[float | None, float | None], pad: bool
) -> tuple[float, float]:
    """The ends of an axis that holds all `values`; a linear y axis of positive values starts at 0."""
    low = min(values, default=1.0 if log else 0.0)
    high = max(values, default=10.0 if log else 1.0)
    if pad and not log:
        low, high = min(0.0, low), high + 0.05 * (high - min(0.0, low))
    low = low if bounds[0] is None else bounds[0]
    high = high if bounds[1] is None else bounds[1]
    if high <= low:
        high = low * 10 if log else low + 1.0
    return low, high


def _figure(value: float, unit: str) -> str:
    written = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"
    return f"{written} {unit}".rstrip()


def _styles(panels: Sequence[Panel]) -> dict[str, str]:
    """The attributes of every line, by its name: the same in all panels."""
    styles: dict[str, str] = {}
    families: dict[str, list[str]] = {}
    for name in (name for panel in panels for name in panel.series):
        members = families.setdefault(name.partition(" ")[0], [])
        if name not in members:
            members.append(name)
    others = [family for family in families if family != "sidecar"]
    for family, members in families.items():
        ours = family == "sidecar"
        colour = _OURS if ours else _COLOURS[others.index(family) % len(_COLOURS)]
        for place, name in enumerate(members):
            dash = _DASHES[place % len(_DASHES)]
            styles[name] = f'stroke="{colour}" stroke-width="{2.5 if ours else 1.5}"' + (
                f' stroke-dasharray="{dash}"' if dash else ""
            )
    return styles


def _key(names: Sequence[str], styles: Mapping[str, str], top: float) -> tuple[list[str], float]:
    """Which line is whose, in as many rows as they need; with the height of those rows."""
    lines, x, y = [], 0.0, top
    for name in names:
        width = 34 + len(name) * _CHARACTER
        if x and x + width > _WIDTH:
            x, y = 0.0, y + _KEY_LINE
        lines.append(f'<path d="M{x:.0f} {y + 9:.0f}h24" fill="none" {styles[name]}/>')
        lines.append(f'<text x="{x + 30:.0f}" y="{y + 13:.0f}" font-size="12">{escape(name)}</text>')
        x += width + 8
    return lines, y + _KEY_LINE - top


def _axes(panel: Panel, across: _Axis, up: _Axis) -> list[str]:
    lines = []
    for value in up.ticks():
        y = up.at(value)
        lines.append(f'<path d="M{across.start:.1f} {y:.1f}H{across.end:.1f}" stroke="{_TEXT}" stroke-opacity="0.25"/>')
        lines.append(
            f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" font-size="11" text-anchor="end">'
            f"{escape(_figure(value, panel.unit))}</text>"
        )
    for value in across.ticks():
        x = across.at(value)
        lines.append(f'<path d="M{x:.1f} {up.start:.1f}v4" stroke="{_TEXT}"/>')
        lines.append(
            f'<text x="{x:.1f}" y="{up.start + 17:.1f}" font-size="11" text-anchor="middle">{_figure(value, "")}</text>'
        )
    lines.append(f'<path d="M{across.start:.1f} {up.start:.1f}H{across.end:.1f}" stroke="{_TEXT}"/>')
    if panel.x_label:
        lines.append(
            f'<text x="{across.end:.1f}" y="{up.start + 32:.1f}" font-size="11" text-anchor="end">'
            f"{escape(panel.x_label)}</text>"
        )
    for place, words in panel.marks.items():
        x = across.at(place)
        lines.append(
            f'<path d="M{x:.1f} {up.start:.1f}V{up.end:.1f}" stroke="{_TEXT}" stroke-dasharray="3 3" class="mark"/>'
        )
        lines.append(f'<text x="{x + 4:.1f}" y="{up.end + 10:.1f}" font-size="11">{escape(words)}</text>')
    return lines


def _line(panel: Panel, name: str, across: _Axis, up: _Axis, style: str) -> str:
    parts, drawing = [], False
    for x, value in zip(panel.x, panel.series[name], strict=True):
        if value is None or not _shown(value, panel.log) or not _shown(x, panel.log_x):
            drawing = False
            continue
        parts.append(f"{'L' if drawing else 'M'}{across.at(x):.1f} {up.at(value):.1f}")
        drawing = True
    joint = 'fill="none" stroke-linejoin="round" stroke-linecap="round"'
    return f'<path d="{"".join(parts)}" {joint} {style}><title>{escape(name)}</title></path>'


def _draw(panel: Panel, number: int, styles: Mapping[str, str], top: float, key: bool) -> tuple[list[str], float]:
    """One panel from `top` downwards, and where it ends."""
    lines = [f'<text x="0" y="{top + 16:.0f}" font-size="15" font-weight="600">{escape(panel.title)}</text>']
    top += 26
    if key:
        rows, height = _key(list(panel.series), styles, top)
        lines += rows
        top += height
    lines.append(f'<text x="0" y="{top + 14:.0f}" font-size="11">{escape(panel.label)}</text>')
    top += 22
    values = [value for one in panel.series.values() for value in one if value is not None and _shown(value, panel.log)]
    places = [x for x in (*panel.x, *panel.marks) if _shown(x, panel.log_x)]
    across = _Axis(*_range(places, panel.log_x, (None, None), pad=False), _LEFT, _WIDTH - _RIGHT, panel.log_x)
    up = _Axis(*_range(values, panel.log, panel.bounds, pad=True), top + _HEIGHT, top, panel.log)
    room = f'x="{_LEFT}" y="{top - 2:.0f}" width="{_WIDTH - _RIGHT - _LEFT}" height="{_HEIGHT + 4}"'
    lines += [*_axes(panel, across, up), f'<clipPath id="room{number}"><rect {room}/></clipPath>']
    drawn = [_line(panel, name, across, up, styles[name]) for name in panel.series]
    # What is drawn last lies on top.
    drawn.reverse()
    lines += [f'<g clip-path="url(#room{number})">', *drawn, "</g>"]
    return lines, top + _HEIGHT + (48 if panel.x_label else 34)


def plot(title: str, panels: Sequence[Panel], note: str = "") -> str:
    """All panels as one SVG document. Raises ValueError where a series is not as long as its x values."""
    styles = _styles(panels)
    lines: list[str] = []
    top, before = 0.0, None
    for number, panel in enumerate(panels):
        names = list(panel.series)
        drawn, top = _draw(panel, number, styles, top, key=names != before)
        lines += drawn
        before = names
    if note:
        lines.append(f'<text x="0" y="{top + 12:.0f}" font-size="11">{escape(note)}</text>')
        top += 20
    named = escape(title, quote=True)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {top:.0f}" width="{_WIDTH}" '
            f'height="{top:.0f}" role="img" aria-label="{named}" '
            f'font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif" font-size="13" '
            f'fill="{_TEXT}">',
            f"<title>{named}</title>",
            *lines,
            "</svg>",
            "",
        ]
    )
