"""Both halves of a tunnel end on their own, and it is over once; a WebSocket is told when the server goes."""
# mypy: no-warn-unreachable
# (after `assert not x.said` mypy takes it to be unsaid for good)

from __future__ import annotations

import errno

import pytest

from sidecar.transport.tunnel import Tunnel, WebSocketTunnel
from sidecar.wire.websocket import GOING_AWAY
from tests.transport.doubles import Calls, FakeTransport


class End:
    """One end and what it called."""

    def __init__(self, kind: type[Tunnel] = Tunnel) -> None:
        self.calls: Calls = []
        self.transport = FakeTransport()
        self.tunnel = kind(
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
    assert end.calls == [("over",), ("end", b"")]
    assert end.tunnel.eof() is False
    assert len(end.calls) == 2


def test_where_no_half_can_end_alone_an_end_that_was_told_is_not_told_again(end: End) -> None:
    end.transport.half_close = False
    end.tunnel.eof()
    end.tunnel.send_end()
    assert end.calls == [("end", b""), ("over",)]


# A WebSocket.

HELLO = b"\x81\x05hello"
THEIR_CLOSE = b"\x88\x80MASK"


@pytest.fixture
def chat() -> End:
    return End(WebSocketTunnel)


def told(chat: End) -> WebSocketTunnel:
    assert isinstance(chat.tunnel, WebSocketTunnel)
    chat.tunnel.leave()
    return chat.tunnel


def test_a_close_goes_out_at_once_between_two_frames_and_nothing_follows_it(chat: End) -> None:
    chat.tunnel.send(HELLO)
    told(chat)
    chat.tunnel.send(HELLO)
    assert chat.transport.sent == HELLO + GOING_AWAY
    told(chat)
    assert chat.transport.sent == HELLO + GOING_AWAY


@pytest.mark.parametrize("cut", range(1, len(HELLO)))
def test_within_a_frame_its_rest_goes_out_before_the_close(chat: End, cut: int) -> None:
    chat.tunnel.send(HELLO + HELLO[:cut])
    tunnel = told(chat)
    assert not tunnel.said
    chat.tunnel.send(HELLO[cut:-1])
    chat.tunnel.send(HELLO[max(cut, len(HELLO) - 1) :] + HELLO)
    assert chat.transport.sent == HELLO + HELLO + GOING_AWAY
    assert tunnel.said


def test_the_clients_own_close_passes_and_completes_the_handshake(chat: End) -> None:
    tunnel = told(chat)
    chat.tunnel.received(HELLO)
    assert not tunnel.closed
    chat.tunnel.received(THEIR_CLOSE)
    assert tunnel.closed
    assert [call for call in chat.calls if call[0] == "data"] == [("data", HELLO), ("data", THEIR_CLOSE)]


def test_the_endpoints_close_stands_for_ours(chat: End) -> None:
    chat.tunnel.send(b"\x88\x02\x03\xe8")
    tunnel = told(chat)
    assert chat.transport.sent == b"\x88\x02\x03\xe8"
    assert (tunnel.said, tunnel.closed) == (True, False)
    chat.tunnel.received(THEIR_CLOSE)
    assert tunnel.closed


def test_a_client_that_ends_after_a_close_of_ours_ends_the_connection(chat: End) -> None:
    assert told(chat).eof() is False
    assert ("end", b"") not in chat.calls


def test_a_client_that_ends_unasked_ends_its_half(chat: End) -> None:
    assert chat.tunnel.eof() is True
    assert chat.calls == [("end", b"")]


def test_nothing_is_said_where_we_have_ended(chat: End) -> None:
    chat.tunnel.send_end()
    told(chat)
    assert chat.transport.sent == b""
