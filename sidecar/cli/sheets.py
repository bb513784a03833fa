"""Lines and tables for people to read in a terminal: cells with a tone, laid out in columns.

Knows no terminal: `plain` makes text of lines for a pipe, `paint` does so for a screen. Both pass everything through
`clean`, because names, problems and events come from files and from the network, and what is printed can steer a
terminal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import compress
from typing import NamedTuple

_GAP = "  "
# What is left of a column of text when the screen is too narrow for it.
_NARROWEST = 8
# A column of numbers keeps its place while they grow.
_NUMBER_WIDTH = 5


class Tone(Enum):
    """What a cell means to who reads it; the value is the style that shows it where there are colours."""

    PLAIN = ""
    GOOD = "green"
    WARN = "yellow"
    BAD = "bold red"
    FAINT = "dim"
    HEAD = "bold"


class Cell(NamedTuple):
    """A piece of a line."""

    text: str
    tone: Tone = Tone.PLAIN


Line = tuple[Cell, ...]
EMPTY: Line = ()


@dataclass(frozen=True, slots=True)
class Sheet:
    """Rows under their heads. A head that begins with `>` is of a column of numbers, which stand to the right."""

    head: tuple[str, ...]
    rows: Sequence[Line]


def clean(text: str) -> str:
    """The text without what a terminal acts on: controls, escapes, marks that turn the direction of writing."""
    return text if text.isprintable() else "".join(mark if mark.isprintable() else "?" for mark in text)


def line(*parts: str | Cell) -> Line:
    """One line of these parts."""
    return tuple(part if isinstance(part, Cell) else Cell(part) for part in parts)


def row(*cells: object) -> Line:
    """One row of a sheet; what is no cell is shown as it is."""
    return tuple(cell if isinstance(cell, Cell) else Cell(str(cell)) for cell in cells)


def laid(sheet: Sheet, width: int | None = None) -> list[Line]:
    """The sheet's lines, the first its heads, each column as wide as its widest cell; one with nothing in it is left
    out. In a `width` that is too small the widest columns of text are cut."""
    filled = [any(cells[place].text for cells in sheet.rows) or not sheet.rows for place in range(len(sheet.head))]
    head = tuple(compress((Cell(name.removeprefix(">"), Tone.HEAD) for name in sheet.head), filled))
    numbers = list(compress((name.startswith(">") for name in sheet.head), filled))
    lines = [head, *(tuple(compress(cells, filled)) for cells in sheet.rows)]
    widths = [max(len(cell.text) for cell in column) for column in zip(*lines, strict=True)]
    if width is not None:
        widths = [max(one, _NUMBER_WIDTH) if number else one for one, number in zip(widths, numbers, strict=True)]
        _narrow(widths, numbers, width)
    return [_line(cells, widths, numbers) for cells in lines]


def columns(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Rows under their heads as text."""
    return plain(laid(Sheet(tuple(head), [row(*cells) for cells in rows])))


def plain(lines: Iterable[Line]) -> list[str]:
    """Lines as text, for whoever reads them without colours."""
    return [clean("".join(cell.text for cell in one)).rstrip() for one in lines]


def cut(text: str, width: int) -> str:
    """The text in so many columns, with a mark where some is missing."""
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"


def _narrow(widths: list[int], numbers: Sequence[bool], width: int) -> None:
    over = sum(widths) + len(_GAP) * (len(widths) - 1) - width
    while over > 0:
        wide = max((place for place, number in enumerate(numbers) if not number), key=widths.__getitem__, default=None)
        if wide is None or widths[wide] <= _NARROWEST:
            return  # the screen cuts the rest
        widths[wide] -= 1
        over -= 1


def _line(cells: Sequence[Cell], widths: Sequence[int], numbers: Sequence[bool]) -> Line:
    parts = []
    for cell, width, number in zip(cells, widths, numbers, strict=True):
        text = cut(cell.text, width)
        parts.append(Cell(text.rjust(width) if number else text.ljust(width), cell.tone))
        parts.append(Cell(_GAP))
    return tuple(parts[:-1])
