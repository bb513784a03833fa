"""Lines in colour."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from sidecar.cli import paint
from sidecar.cli.sheets import Cell, Tone, line


def drawn(*cells: str | Cell, width: int = 40) -> str:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, color_system="standard", width=width)
    console.print(paint.painted([line(*cells), line("end")]))
    return out.getvalue()


def test_a_tone_is_a_colour() -> None:
    assert "\x1b[1;31mopen\x1b[0m" in drawn("state ", Cell("open", Tone.BAD))


def test_neither_escapes_nor_markup_of_a_name_are_acted_on() -> None:
    text = drawn("[bold red]name[/] \x1b[2J\x1b]0;owned\x07", "\u202e")
    assert "[bold red]name[/] ?[2J?]0;owned??" in text
    assert "\x1b" not in text


def test_a_long_line_of_a_screen_is_cropped() -> None:
    assert drawn("x" * 100, width=10).startswith("x" * 10 + "\n")


def test_what_is_printed_is_never_cropped(capsys: pytest.CaptureFixture[str]) -> None:
    paint.show([line("x" * 300), line("end")])
    assert capsys.readouterr().out == "x" * 300 + "\nend\n"


def test_the_screen_is_given_back() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=40, height=3)
    with paint.screen(console) as live:
        live.update(paint.painted([line("frame")]), refresh=True)
    assert "frame" in out.getvalue()
    assert out.getvalue().endswith("\x1b[?1049l")
