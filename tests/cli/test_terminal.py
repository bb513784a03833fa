"""The terminal that a command runs at."""

from __future__ import annotations

import io
import os
import pty
import select
import signal
import termios
from collections.abc import Iterator

import pytest

from sidecar.cli import terminal
from sidecar.cli.sheets import Cell, Tone, line


@pytest.fixture
def pair() -> Iterator[tuple[int, io.TextIOWrapper]]:
    own, theirs = pty.openpty()
    with open(theirs) as stream:
        yield own, stream
    os.close(own)


@pytest.mark.parametrize(
    ("typed", "pressed"),
    [
        (b"", ["q"]),
        (b"jk", ["j", "k"]),
        (b"\x1b[A\x1b[Bp", ["up", "down", "p"]),
        (b"\x1bOA\x1bOB", ["up", "down"]),
        (b"\x1b[5~\x1b[6~", ["page up", "page down"]),
        (b"\x1b[1;5Cq", ["\x1b[1;5C", "q"]),
        (b"\xff\n", ["�", "\n"]),
    ],
)
def test_what_is_typed_are_keys(typed: bytes, pressed: list[str]) -> None:
    assert terminal.keys(typed) == pressed


def test_keys_come_at_once_and_the_modes_come_back(pair: tuple[int, io.TextIOWrapper]) -> None:
    own, stream = pair
    before = termios.tcgetattr(stream.fileno())
    with terminal.raw(stream) as typed:
        assert typed == stream.fileno()
        os.write(own, b"p")  # no line end
        assert select.select([typed], [], [], 30)[0]
        assert os.read(typed, 8) == b"p"
        mode = termios.tcgetattr(typed)
        assert mode[3] & (termios.ECHO | termios.ICANON) == 0
        assert mode[3] & termios.ISIG
    assert termios.tcgetattr(stream.fileno()) == before


def test_the_modes_come_back_after_an_error(pair: tuple[int, io.TextIOWrapper]) -> None:
    _, stream = pair
    before = termios.tcgetattr(stream.fileno())
    with pytest.raises(KeyboardInterrupt), terminal.raw(stream):
        raise KeyboardInterrupt
    assert termios.tcgetattr(stream.fileno()) == before


def test_nobody_types_where_there_is_no_terminal() -> None:
    with open(os.devnull) as stream, terminal.raw(stream) as typed:
        assert typed is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_end_leaves_every_context(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with pytest.raises(SystemExit) as ended, terminal.signals(writer):
        signal.raise_signal(number)
    assert ended.value.code == 128 + number
    assert signal.getsignal(number) is before
    os.close(reader)
    os.close(writer)


def test_a_change_of_size_wakes_who_waits() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with terminal.signals(writer):
        signal.raise_signal(signal.SIGWINCH)
        assert os.read(reader, 8) == bytes([signal.SIGWINCH])
    assert signal.getsignal(signal.SIGWINCH) is signal.SIG_DFL
    os.close(reader)
    os.close(writer)


class _Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("term", "no_colour", "screen", "colour"),
    [("xterm", "", True, True), ("xterm", "1", True, False), ("dumb", "", False, False)],
)
def test_colours_are_for_a_screen_that_wants_them(
    term: str, no_colour: str, screen: bool, colour: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", term)
    monkeypatch.setenv("NO_COLOR", no_colour)
    assert terminal.is_screen(_Screen()) is screen
    assert terminal.wants_colour(_Screen()) is colour
    assert not terminal.is_screen(io.StringIO())


def test_a_pipe_gets_text(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.write([line(Cell("open", Tone.BAD), " now  "), line("end")])
    assert capsys.readouterr().out == "open now\nend\n"


def test_a_screen_gets_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = _Screen()
    monkeypatch.setattr("sys.stdout", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal.write([line(Cell("open", Tone.BAD))])
    assert screen.getvalue() == "\x1b[1;31mopen\x1b[0m\n"


def test_what_an_encoding_lacks_fails_nothing() -> None:
    out = io.BytesIO()
    stream = io.TextIOWrapper(out, encoding="ascii", write_through=True)
    terminal.tolerant(stream)
    stream.write("looking …")
    assert out.getvalue() == b"looking ?"
    terminal.tolerant(io.StringIO())
