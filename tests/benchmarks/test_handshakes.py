"""Full handshakes are counted over all clients, and one that cannot connect is an error."""

from __future__ import annotations

import os
import sys

import pytest

from benchmarks import handshakes
from benchmarks.loads import OutputError
from benchmarks.processes import free_port
from tests.doubles.servers import require


def client(script: str) -> list[str]:
    return [sys.executable, "-c", script]


def test_what_all_clients_count_is_added_up() -> None:
    verdict = handshakes.run(
        client("print('****\\n\\n7 connections in 0.1s; 9 connections/user sec\\n7 connections in 2 real seconds, 1')"),
        os.environ,
        30,
    )
    assert (verdict.requests, verdict.errors) == (7 * handshakes.AT_ONCE, 0)
    assert verdict.seconds > 0


def test_a_client_that_gives_up_is_an_error() -> None:
    script = "import sys; print('3 connections in 1 real seconds'); sys.exit(1)"
    assert handshakes.run(client(script), os.environ, 30).errors == handshakes.AT_ONCE


def test_without_a_count_there_is_no_verdict() -> None:
    openssl = require("openssl")
    with pytest.raises(OutputError, match="no count of connections"):
        handshakes.run(handshakes.command(openssl, free_port(), "/small", 1), os.environ, 30)


def test_a_client_sends_a_whole_request_of_http_1_1() -> None:
    words = handshakes.command("openssl", 4433, "/small", 2)
    request = f"GET {words[words.index('-www') + 1]} HTTP/1.0\r\n\r\n"
    assert request.split("\r\n") == [
        "GET /small HTTP/1.1",
        "Host: 127.0.0.1",
        "Connection: close",
        "X-Rest: HTTP/1.0",
        "",
        "",
    ]
