"""Lines in colour, by rich. The one module that imports it, and only commands that draw on a screen import this one."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from rich.console import Console
from rich.live import Live
from rich.text import Text

from sidecar.cli.sheets import Line, clean


def painted(lines: Iterable[Line]) -> Text:
    """The lines as one text. A style is a cell's tone and nothing else: no markup of anybody's is read."""
    text = Text(no_wrap=True, overflow="crop", end="")
    for place, one in enumerate(lines):
        if place:
            text.append("\n")
        for cell in one:
            text.append(clean(cell.text), cell.tone.value)
    return text


def console() -> Console:
    """Standard output; NO_COLOR leaves bold and dim."""
    return Console(file=sys.stdout, highlight=False, markup=False, emoji=False)


def show(lines: Iterable[Line]) -> None:
    """Print the lines, however long they are."""
    console().print(painted(lines), soft_wrap=True)


def screen(on: Console) -> Live:
    """The whole screen, given back as it was; draws when told to."""
    return Live(
        console=on, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False, transient=True
    )
