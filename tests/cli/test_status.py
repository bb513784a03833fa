"""`sidecar status`: one look, in colour at a terminal and as text elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from sidecar.cli.main import main
from tests.doubles.admin import Answering
from tests.doubles.backend import Backend
from tests.doubles.process import process
from tests.doubles.sample_status import EVENTS, STATUS
from tests.doubles.terminal import terminal

LIMIT_SECONDS = 60


@pytest.fixture
def answering(answering: Answering) -> Answering:
    answering.paths = {"/status": STATUS, "/events": {"events": EVENTS}}
    return answering


def test_status_is_told_as_tables(answering: Answering, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--admin", answering.address]) == 0
    text = capsys.readouterr().out
    assert text.startswith("serving, up 3m, version 0.1.0, rules 0123456789ab (generation 3)\n")
    assert "not ready: upstream app: no endpoint is available\n" in text
    assert "22:14:50Z  10s  breaker  upstream.app  closed to open: 6 of 10 attempts failed\n" in text
    assert "\x1b" not in text
    assert answering.asked == [("GET", "/status", None), ("GET", "/events?format=json", None)]


def test_status_as_json_is_what_was_told(answering: Answering, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--admin", answering.address, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == STATUS


def test_a_pipe_waits_for_the_import_of_no_colours(answering: Answering) -> None:
    code = (
        "import sys; from sidecar.cli.main import main; code = main(['status', '--admin', sys.argv[1]]);"
        "sys.exit(code or 'rich' in sys.modules or 'aiohttp' in sys.modules or 'asyncio' in sys.modules)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, answering.address],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
async def test_a_terminal_gets_colours_unless_it_wants_none(
    answering: Answering, environment: dict[str, str], coloured: bool
) -> None:
    async with terminal("status", "--admin", answering.address, environment=environment) as screen:
        assert await screen.ended() == 0
        assert "not ready: upstream app" in screen.drawn
        assert ("\x1b[1;31m" in screen.drawn) is coloured


async def test_a_running_sidecar_tells_what_it_refused_and_why() -> None:
    async with (
        Backend() as backend,
        process(backend.url, sets=["routes.everything.rate_limits=[{name: few, rate: 1/h}]"]) as proxy,
    ):
        async with proxy.peer() as peer:
            first = await peer.ask(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
            second = await peer.ask(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        assert (first.status, second.status) == (200, 429)
        ended = subprocess.run(
            [sys.executable, "-m", "sidecar", "status", "--admin", f"127.0.0.1:{proxy.admin_port}"],
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
            env={key: value for key, value in os.environ.items() if not key.startswith("SIDECAR_")},
        )
        assert (ended.returncode, ended.stderr) == (0, "")
        assert "refused 1 since the start: rate_limited by everything/few (route everything)\n" in ended.stdout
        rows = [line.split() for line in ended.stdout.splitlines()]
        assert ["few", "1/1"] in [row[-2:] for row in rows]
        assert ["everything/few", "rate_limited", "everything", "1", "0"] in rows
