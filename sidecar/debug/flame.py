"""Profiles of one or several processes as folded stacks, or drawn as a flame graph.

The drawing is one SVG with nothing beside it: no script and no style sheet, so that the strictest policy shows it. It
has a ground of its own, and reads the same on a dark page. Idle time is said and not drawn.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from sidecar.debug.sampler import FRAMELESS, IDLE

_WIDTH = 1200.0
_MARGIN = 10.0
_ROW = 17
_TOP = 28  # above the captions
_LETTER = 6.7  # of the monospaced fonts at this size, a little more than they need
_NARROWEST = 0.3
_FEWEST = 4  # letters; fewer say nothing
_PALETTE = (
    "#f3b38b", "#f0cf7c", "#c9dc84", "#9fd8a4", "#8dd6c9", "#9ccbec", "#b3bcf2", "#d5b3ec", "#f0b0d2", "#f2a6a0",
)  # fmt: skip
_FRAMELESS_COLOUR, _PROCESS_COLOUR = "#b9c4cf", "#d8d8d0"
_NOTES = (
    "Compiled modules have no Python frames of their own: their time shows as their caller's, or as "
    f"{FRAMELESS} under the loop;",
    "so do the loop itself and calls of a few microseconds. `perf record -g -p PID` sees inside them.",
)

Processes = Mapping[str, Mapping[str, Any]]


def folded(processes: Processes) -> str:
    """One line for each stack, `process;outermost;…;innermost COUNT`, as speedscope and flamegraph.pl read them."""
    lines = []
    for name, told in processes.items():
        if "error" in told:
            lines.append(f"{name}: {_flat(told['error'])} 1")
        else:
            lines += [f"{';'.join((name, *stack))} {count}" for stack, count in told["stacks"]]
    return "".join(f"{line}\n" for line in lines)


def drawn(processes: Processes) -> str:
    """The flame graph, the outermost functions on top; what a box is and weighs shows under the pointer."""
    captions = [*_NOTES, *(_caption(name, told) for name, told in processes.items())]
    root = _Node("all")
    for name, told in processes.items():
        process = root.child(name)
        for stack, count in told.get("stacks", ()):
            if tuple(stack) != (IDLE,):
                root.count += count
                process.add(stack, count)
    ground = _TOP + len(captions) * _ROW
    height = ground + (root.depth() - 1) * _ROW + _MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH:g}" height="{height:g}" '
        f'viewBox="0 0 {_WIDTH:g} {height:g}" font-family="monospace" font-size="11" fill="#1c1c1c">',
        "<title>Where the loop's thread was</title>",
        f'<rect width="{_WIDTH:g}" height="{height:g}" fill="#fbfaf6"/>',
        f'<text x="{_MARGIN:g}" y="18" font-size="14">Where the loop&#39;s thread was, idle time left out</text>',
    ]
    lines += [_text(_MARGIN, _TOP + _ROW * row + 12, caption) for row, caption in enumerate(captions)]
    left = _MARGIN
    for process in root.children.values():
        width = (_WIDTH - 2 * _MARGIN) * process.count / max(1, root.count)
        lines += _boxes(process, left, ground, width, root.count)
        left += width
    return "\n".join(lines) + "\n</svg>\n"


class _Node:
    """A function where it was called from; `count` is how many samples were in it, or in what it called."""

    __slots__ = ("children", "count", "label")

    def __init__(self, label: str) -> None:
        self.label = label
        self.count = 0
        self.children: dict[str, _Node] = {}

    def child(self, label: str) -> _Node:
        return self.children.setdefault(label, _Node(label))

    def add(self, stack: tuple[str, ...], count: int) -> None:
        node = self
        node.count += count
        for label in stack:
            node = node.child(label)
            node.count += count

    def depth(self) -> int:
        return 1 + max((child.depth() for child in self.children.values()), default=0)


def _boxes(node: _Node, left: float, top: float, width: float, whole: int) -> Iterator[str]:
    if width < _NARROWEST:
        return
    told = f"{node.label}: {node.count} samples, {100 * node.count / whole:.1f} %"
    colour = _colour(node.label)
    yield (
        f"<g><title>{escape(told)}</title>"
        f'<rect x="{left:.1f}" y="{top:g}" width="{width:.1f}" height="{_ROW - 1}" rx="1" fill="{colour}"/>'
        f"{_text(left + 3, top + 12, _fitting(node.label, width - 6))}</g>"
    )
    for child in sorted(node.children.values(), key=lambda child: -child.count):
        part = width * child.count / node.count
        yield from _boxes(child, left, top + _ROW, part, whole)
        left += part


def _text(x: float, y: float, text: str) -> str:
    return f'<text x="{x:.1f}" y="{y:g}">{escape(text)}</text>' if text else ""


def _fitting(label: str, width: float) -> str:
    """So much of a name as there is room for: the end says more than the package's path."""
    letters = int(width / _LETTER)
    name = label.rpartition("/")[2]
    if len(label) <= letters:
        return label
    if len(name) <= letters:
        return name
    return f"{name[: letters - 1]}…" if letters >= _FEWEST else ""


def _colour(label: str) -> str:
    """By the package: `sidecar/transport`, `aiohttp`."""
    if label == FRAMELESS:
        return _FRAMELESS_COLOUR
    if "/" not in label and ".py:" not in label:
        return _PROCESS_COLOUR
    parts = label.split("/")
    package = "/".join(parts[: 2 if parts[0] == "sidecar" and len(parts) > 2 else 1]).partition(":")[0]
    return _PALETTE[zlib.crc32(package.encode()) % len(_PALETTE)]


def _caption(name: str, told: Mapping[str, Any]) -> str:
    if "error" in told:
        return f"{name}: {_flat(told['error'])}"
    busy = "" if told["busy"] is None else f", busy {100 * told['busy']:.1f} % of the time"
    return f"{name}: {told['samples']} samples in {told['seconds']:g} s at {told['hz']} Hz{busy}"


def _flat(text: str) -> str:
    return text.replace(";", ",").replace("\n", " ")
