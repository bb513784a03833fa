"""Whoever does not speak TLS to a port of TLS: answered where that is possible, counted, and gone."""

from __future__ import annotations

from itertools import repeat
from pathlib import Path

import pytest

from sidecar.model.reason import Reason
from sidecar.transport.secure_state import CLOSED
from tests.transport.doubles import VirtualLoop
from tests.transport.secure_ends import ServerWire


@pytest.fixture
def wire(virtual: VirtualLoop, tmp_path: Path) -> ServerWire:
    """A connection that is accepted, and has not begun."""
    made = ServerWire(virtual, tmp_path)
    made.accept()
    return made


def test_plain_http_is_answered_in_plain_http(wire: ServerWire) -> None:
    wire.give(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert wire.heard == [("refuse", Reason.BAD_REQUEST)]
    assert wire.pipe.sent.startswith(b"HTTP/1.1 400 X\r\n")
    assert wire.observed.results == ["plain_http"]
    assert wire.layer.state == CLOSED
    assert len(wire.service.registry) == 1  # the connection that answers
    wire.virtual.advance(3.0)
    assert wire.pipe.closed
    wire.pipe.protocol.connection_lost(None)
    assert wire.counted() == (0, 0, 0)
    assert wire.service.connections.active == 0


def test_plain_http_is_known_by_its_first_byte(wire: ServerWire) -> None:
    wire.give(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", repeat(1))
    assert wire.heard == [("refuse", Reason.BAD_REQUEST)]
    assert wire.observed.results == ["plain_http"]
    wire.pipe.protocol.connection_lost(None)


def test_another_protocol_is_not_tls(wire: ServerWire) -> None:
    wire.give(b"SSH-2.0-OpenSSH_9.6\r\n")
    assert wire.observed.results == ["not_tls"]
    wire.pipe.protocol.connection_lost(None)


def test_ssl_2_is_cut(wire: ServerWire) -> None:
    wire.give(b"\x80\x2e\x01\x00\x02")
    assert wire.pipe.aborted
    assert wire.pipe.sent == b""
    assert wire.counted() == (0, 0, 0)


def test_nobody_answers_http_where_bytes_are_relayed(virtual: VirtualLoop, tmp_path: Path) -> None:
    wire = ServerWire(virtual, tmp_path)
    wire.service.raw = True
    wire.accept()
    wire.give(b"GET / HTTP/1.1\r\n\r\n")
    assert wire.pipe.aborted
    assert wire.pipe.sent == b""
    assert wire.observed.results == ["plain_http"]


def test_an_end_of_tcp_alone_is_none_where_bytes_are_relayed(virtual: VirtualLoop, tmp_path: Path) -> None:
    wire = ServerWire(virtual, tmp_path)
    wire.service.raw = True
    wire.accept()
    wire.shake()
    assert wire.layer.eof_received() is False
    assert wire.inner.calls == [("made",), ("lost", "TlsFailure")]
