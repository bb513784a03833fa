"""Both halves of a tunnel end on their own, and it is over once."""

from __future__ import annotations

import errno

import pytest

from sidecar.transport.tunnel import Tunnel
from tests.transport.doubles import Calls, FakeTransport


class End:
    """One end and what it called."""

    def __init__(self) -> None:
        self.calls: Calls = []
        self.transport = FakeTransport()
        self.tunnel = Tunnel(
            self.transport,  # type: ignore[arg-type]
            lambda data: self.calls.append(("data", data)),
            lambda trailers: self.calls.append(("end", trailers)),
            lambda: self.calls.append(("over",)),
            lambda: self.calls.append(("touched",)),
        )


@pytest.fixture
def end() -> End:
    return End()


def test_bytes_pass_both_ways(end: End) -> None:
    end.tunnel.received(b"in")
    end.tunnel.send(b"out")
    assert end.calls == [("touched",), ("data", b"in"), ("touched",)]
    assert end.transport.sent == b"out"


def test_the_peer_ends_first(end: End) -> None:
    assert end.tunnel.eof() is True
    assert not end.tunnel.readable()
    assert end.tunnel.eof() is True
    assert end.calls == [("end", b"")]
    end.tunnel.send(b"still")
    end.tunnel.send_end()
    end.tunnel.send_end()
    end.tunnel.send(b"late")
    assert end.calls == [("end", b""), ("touched",), ("over",)]
    assert end.transport.sent == b"still"


def test_we_end_first(end: End) -> None:
    end.tunnel.send_end()
    assert end.transport.eof_sent
    assert end.tunnel.readable()
    assert end.calls == []
    end.tunnel.received(b"still")
    assert end.tunnel.eof() is False
    assert end.calls == [("touched",), ("data", b"still"), ("over",), ("end", b"")]


def test_an_end_after_an_rst_that_is_not_told_yet_raises_nothing(end: End) -> None:
    end.transport.eof_fault = OSError(errno.ENOTCONN, "not connected")
    end.tunnel.send_end()
    assert end.calls == []


def test_where_no_half_can_end_alone_both_do(end: End) -> None:
    end.transport.half_close = False
    end.tunnel.send_end()
    assert end.calls == [("over",)]
