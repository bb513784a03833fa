"""A program is waited for, quoted when it fails, and ended with everything it started."""

import socket
import sys
from pathlib import Path

import pytest

from benchmarks import cpu
from benchmarks.processes import Program, StartError, ask, free_port

SERVER = """
import http.server, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/small" else 404)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
"""


def test_a_server_is_waited_for_and_ended_with_its_children(tmp_path: Path) -> None:
    port = free_port()
    with Program("server", [sys.executable, "-c", SERVER, str(port)], tmp_path) as program:
        assert program.wait_until_answers(port) > 0
        assert ask(port, "/other", timeout=20.0) == 404
        members = cpu.tree(program.pid)
        assert len(members) == 2
    assert not program.running
    assert ask(port) is None
    # A killed grandchild may stay a zombie until init reaps it; it has no memory left.
    assert sum(cpu.resident_bytes(member) for member in members) == 0


def test_stopping_twice_is_harmless(tmp_path: Path) -> None:
    with Program("pause", [sys.executable, "-c", "import signal; signal.pause()"], tmp_path) as program:
        program.stop()
        program.stop()
    assert not program.running


def test_a_program_that_ends_is_reported_with_its_last_words(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such option')"]
    with (
        Program("broken", command, tmp_path) as program,
        pytest.raises(StartError, match=r"broken ended with status 1:\nno such option"),
    ):
        program.wait_until_answers(free_port())


def test_a_free_port_can_be_bound_and_nobody_answers_there() -> None:
    port = free_port()
    assert ask(port) is None
    with socket.socket() as server:
        server.bind(("127.0.0.1", port))
        assert server.getsockname()[1] == port
