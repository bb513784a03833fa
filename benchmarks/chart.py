"""The README's picture: two panels of horizontal bars, written as SVG by hand.

An image in a README cannot know whether the page around it is dark or light, so there is no background and every
colour is a middle tone that stands out on both.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from benchmarks.proxies import DIRECT
from benchmarks.report import thousands
from benchmarks.result import Result

_TEXT = "#768390"
_OURS = "#2f81f7"
_PEER = "#8b949e"
_WIDTH = 760
_BAR = 18
_STEP = 26
_LABEL = 150
_VALUE = 90


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: whose it is, how long, and the figure printed at its end."""

    name: str
    value: float
    figure: str


def _panel(title: str, bars: Sequence[Bar], top: int) -> list[str]:
    longest = max(bar.value for bar in bars) or 1.0
    room = _WIDTH - _LABEL - _VALUE
    lines = [f'<text x="0" y="{top + 16}" font-size="15" font-weight="600">{escape(title)}</text>']
    for place, bar in enumerate(bars):
        y = top + 30 + place * _STEP
        ours = bar.name.startswith("sidecar")
        colour = _OURS if ours else _PEER
        weight = ' font-weight="600"' if ours else ""
        width = max(1.0, bar.value / longest * room)
        lines += [
            f'<text x="{_LABEL - 10}" y="{y + 14}" text-anchor="end"{weight}>{escape(bar.name)}</text>',
            f'<rect x="{_LABEL}" y="{y}" width="{width:.1f}" height="{_BAR}" rx="3" fill="{colour}"/>',
            f'<text x="{_LABEL + width + 8:.1f}" y="{y + 14}"{weight}>{escape(bar.figure)}</text>',
        ]
    return lines


def draw(result: Result) -> str:
    """The picture of the `small` load. Raises ValueError when no proxy was measured under it."""
    rows = [(proxy, result.row("small", proxy)) for proxy in result.proxies() if proxy != DIRECT]
    rates = [Bar(proxy, row.rate, thousands(row.rate)) for proxy, row in rows if row is not None]
    costs = [
        Bar(proxy, row.cpu_us, f"{row.cpu_us:.1f} µs")
        for proxy, row in rows
        if row is not None and row.cpu_us is not None
    ]
    if not rates or not costs:
        raise ValueError("the chart needs the `small` load of at least one proxy")
    rates.sort(key=lambda bar: -bar.value)
    costs.sort(key=lambda bar: bar.value)
    second = 30 + len(rates) * _STEP + 24
    height = second + 30 + len(costs) * _STEP + 26
    title = "Requests per second and CPU time per request of Sidecar and other proxies"
    note = f"one worker each on one CPU · 64 keep-alive connections · 150-byte answer · {result.date[:10]}"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" '
            f'height="{height}" role="img" aria-label="{title}" '
            f'font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif" font-size="13" '
            f'fill="{_TEXT}">',
            f"<title>{title}</title>",
            *_panel("Requests per second (longer is better)", rates, 0),
            *_panel("CPU time per request (shorter is better)", costs, second),
            f'<text x="0" y="{height - 6}" font-size="11">{escape(note)}</text>',
            "</svg>",
            "",
        ]
    )
