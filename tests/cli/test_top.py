"""`sidecar top`: live at a terminal, a page for each look elsewhere, and the terminal as it was on every way out."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from typing import Any

import pytest

from sidecar.cli.looks import Glance
from sidecar.cli.main import main
from sidecar.cli.sheets import plain
from sidecar.cli.top import Desk, Watch
from sidecar.model.address import Address
from tests.doubles.admin import Answering
from tests.doubles.backend import Backend
from tests.doubles.peer import Peer
from tests.doubles.process import ROOT, process
from tests.doubles.sample_status import EVENTS, ROUTE, STATUS
from tests.doubles.terminal import ENTERED, LEFT, Terminal, terminal

LIMIT_SECONDS = 60
ADDRESS = Address.parse("127.0.0.1:1")
QUICK = ("--interval", "100ms")


def later(seconds: float, requests: int, **changes: Any) -> dict[str, Any]:
    """STATUS so much later, when so many requests more have ended."""
    route = ROUTE | {"requests": ROUTE["requests"] + requests}
    return STATUS | {"uptime_seconds": STATUS["uptime_seconds"] + seconds, "routes": [route], **changes}


@pytest.fixture
def answering(answering: Answering) -> Answering:
    answering.paths = {"/status": [STATUS, later(2, 30)], "/events": {"events": EVENTS}}
    return answering


def head(watch: Watch) -> list[str]:
    return plain(Desk(watch).lines(80, 24))[:3]


def test_two_looks_make_a_rate() -> None:
    watch = Watch(ADDRESS)
    assert (watch.view(), watch.measured) == (None, False)
    watch.hear(Glance(STATUS, []))
    assert head(watch)[1].startswith("measuring …")
    watch.hear(Glance(later(2, 30), []))
    assert watch.measured
    assert head(watch)[1].startswith("15 req/s")


def test_a_sidecar_that_is_away_is_told_and_what_was_known_stays() -> None:
    watch = Watch(ADDRESS)
    watch.hear(Glance(STATUS, []))
    watch.hear(Glance(later(1, 10), []))
    watch.hear("no sidecar answers")
    assert head(watch)[2] == "no sidecar answers"
    assert head(watch)[1].startswith("10 req/s")
    watch.hear(Glance(later(5, 90), []))
    assert head(watch)[2].startswith("downstream")
    assert head(watch)[1].startswith("20 req/s")


def test_a_sidecar_that_was_started_again_is_measured_anew() -> None:
    watch = Watch(ADDRESS)
    watch.hear(Glance(STATUS, []))
    watch.hear(Glance(STATUS | {"uptime_seconds": 0.5}, []))
    assert not watch.measured
    watch.hear(Glance(STATUS | {"uptime_seconds": 1.5}, []))
    assert head(watch)[1].startswith("0 req/s")


def test_keys_pause_scroll_and_leave() -> None:
    watch = Watch(ADDRESS)
    desk = Desk(watch)
    assert desk.press("p")  # nothing to pause at yet
    many = STATUS | {"routes": [ROUTE | {"name": f"route-{number:02}"} for number in range(40)]}
    watch.hear(Glance(many, []))
    first = desk.lines(80, 24)
    assert desk.press("k")
    assert desk.lines(80, 24) == first
    assert desk.press("j")
    assert desk.lines(80, 24) != first
    assert desk.press("page up")
    assert desk.press(" ")
    paused = desk.lines(80, 24)
    watch.hear(Glance(later(1, 1), []))
    assert desk.lines(80, 24) == paused
    assert desk.press("p")
    assert desk.lines(80, 24) != paused
    assert not desk.press("q")


def test_scrolling_ends_with_what_there_is() -> None:
    watch = Watch(ADDRESS)
    desk = Desk(watch)
    watch.hear(Glance(STATUS | {"routes": [ROUTE | {"name": f"route-{number:02}"} for number in range(40)]}, []))
    desk.lines(80, 24)
    for _ in range(100):
        desk.press("page down")
    last = desk.lines(80, 24)
    desk.press("k")
    assert desk.lines(80, 24) != last


def test_once_is_one_page_of_rates(answering: Answering, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["top", "--once", *QUICK, "--admin", answering.address]) == 0
    text = capsys.readouterr().out
    assert text.count(" req/s") == 1
    assert "15 req/s" in text
    assert "\x1b" not in text


def test_once_at_nobody_fails(answering: Answering, capsys: pytest.CaptureFixture[str]) -> None:
    answering.paths = {}
    assert main(["top", "--once", *QUICK, "--admin", answering.address]) == 1
    assert "is no sidecar's admin address" in capsys.readouterr().err


@pytest.mark.parametrize("interval", ["1", "soon", "0s", "99ms"])
def test_an_interval_is_a_time_and_not_too_short(interval: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["top", "--interval", interval]) == 2
    assert f"`{interval}`" in capsys.readouterr().err


def test_a_pipe_gets_a_page_for_each_look_until_it_is_closed(answering: Answering) -> None:
    answering.paths["/status"] = [STATUS, {"no": "phase"}, later(2, 30)]
    command = [sys.executable, "-m", "sidecar", "top", *QUICK, "--admin", answering.address]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SIDECAR_")}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        seen: list[str] = []
        while not seen or "15 req/s" not in seen[-1]:
            line = running.stdout.readline()
            assert line, running.stderr.read()
            seen.append(line)
        assert any("is no sidecar's admin address" in line for line in seen)
        running.stdout.close()
        assert running.wait(LIMIT_SECONDS) == 0
        assert running.stderr.read() == ""


async def test_a_running_sidecar_is_seen_at_a_terminal_that_is_given_back() -> None:
    limit = "routes.everything.rate_limits=[{name: few, rate: 1/h}]"
    async with Backend() as backend, process(backend.url, sets=[limit]) as proxy, proxy.peer() as peer:
        admin = f"127.0.0.1:{proxy.admin_port}"
        async with terminal("top", *QUICK, "--admin", admin) as screen:
            before = screen.modes()
            await screen.shows(r"\d req/s")
            assert screen.modes() != before
            asking = asyncio.ensure_future(_asking(peer))
            await screen.shows(r"refused [\d.<]+/s: rate_limited by everything/few \(route everything\)")
            asking.cancel()
            await asyncio.wait([asking])
            await screen.shows(r"p50 -")  # nothing ends in an interval any more
            screen.type("p")
            await screen.shows("paused")
            screen.type("p")
            await screen.shows(r"q quit  p pause(?!  paused)")
            screen.resize(60, 15)
            await screen.shows(r"^(?:.{60}\n){14}.{1,60}$")
            proxy.signal(signal.SIGKILL)
            await screen.shows("no sidecar answers at ")
            await given_back(screen, before, "q", 0)


async def _asking(peer: Peer) -> None:
    while True:
        await peer.ask(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")


async def given_back(screen: Terminal, before: list[object], way: str | signal.Signals, code: int) -> None:
    """It leaves this way, and the terminal is as it was."""
    assert screen.process is not None
    if isinstance(way, str):
        screen.type(way)
    else:
        screen.process.send_signal(way)
    assert await screen.ended() == code
    assert screen.modes() == before
    assert ENTERED in screen.drawn
    assert LEFT not in screen.drawn.partition(ENTERED)[2].rpartition(LEFT)[0]
    assert screen.drawn.rpartition(LEFT)[1] == LEFT
    assert screen.drawn.rfind("\x1b[?25h") > screen.drawn.rfind("\x1b[?25l")  # the cursor is seen
    assert "Traceback" not in screen.drawn


@pytest.mark.parametrize(
    ("way", "code"), [("q", 0), ("\x03", 130), (signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
async def test_the_terminal_is_as_it_was_on_every_way_out(
    answering: Answering, way: str | signal.Signals, code: int
) -> None:
    async with terminal("top", *QUICK, "--admin", answering.address) as screen:
        before = screen.modes()
        await screen.shows("not ready: upstream app")
        await given_back(screen, before, way, code)


async def test_an_answer_it_cannot_read_ends_it_with_a_sentence(answering: Answering) -> None:
    async with terminal("top", *QUICK, "--admin", answering.address) as screen:
        before = screen.modes()
        await screen.shows("not ready: upstream app")
        answering.paths["/status"] = [{"phase": "odd"}]
        assert await screen.ended() == 1
        assert screen.modes() == before
        assert "tells its status otherwise than version" in screen.drawn.rpartition(LEFT)[2]


async def test_nobody_there_is_waited_for(answering: Answering) -> None:
    answering.paths["/status"] = [{"no": "phase"}]
    async with terminal("top", *QUICK, "--admin", answering.address) as screen:
        await screen.shows("is no sidecar's admin address")
        answering.paths["/status"] = [STATUS]
        await screen.shows("not ready: upstream app")
        screen.type("q")
        assert await screen.ended() == 0
