"""The accepted connection as a machine, told to end: when idle, a WebSocket by a Close, and at last at once."""
# mypy: no-warn-unreachable
# (after `assert not x.closed` mypy takes x to be open for good)

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest

from sidecar.model.reason import Reason
from sidecar.transport import downstream_state as states
from sidecar.transport.registry import NOTHING, RAW_TUNNEL, REQUEST, WEBSOCKET
from sidecar.transport.stream import DownstreamStream
from sidecar.wire.message import CHUNKED
from sidecar.wire.websocket import GOING_AWAY
from tests.transport.clients import GET, OK, POST, UPGRADE, Client
from tests.transport.doubles import VirtualLoop, answer

HELLO = b"\x81\x05hello"
CLOSE = b"\x88\x82MASK\x03\xe9"


@pytest.fixture
def client(virtual: VirtualLoop) -> Client:
    return Client(virtual)


def tunnel(client: Client, *, websocket: bool) -> None:
    client.sends(UPGRADE)
    client.stream.open_tunnel(websocket)
    client.take()


def readable(client: Client, sock: socket.socket) -> None:
    """Its transport stands on a real socket, whose bytes the loop has not come to."""

    def info(name: str, default: Any = None) -> Any:
        return sock if name == "socket" else default

    client.transport.get_extra_info = info  # type: ignore[method-assign]


# When idle.


def test_drain_closes_idle_connections_now_and_others_after_their_answer(virtual: VirtualLoop) -> None:
    kept, busy = Client(virtual, answer), Client(virtual)
    kept.sends(GET % 1)
    busy.sends(GET % 1)
    for client in (kept, busy):
        client.connection.close_when_idle()
    assert (kept.transport.closed, busy.transport.closed) == (True, False)
    answer(busy.stream)
    assert busy.transport.sent == OK
    assert busy.transport.closed


def test_who_asked_again_before_it_could_know_is_answered_too(virtual: VirtualLoop) -> None:
    client = Client(virtual)
    client.sends(GET % 1)
    client.stream.send_head(b"H\r\n\r\n", CHUNKED, False)  # does not say that the connection closes
    client.sends(GET % 2)
    client.connection.close_when_idle()
    client.stream.send_end()
    assert not client.transport.closed
    virtual.turn()
    assert client.stream.leaving
    answer(client.stream)
    assert client.transport.sent.endswith(OK)
    assert client.transport.closed


def test_whose_answer_says_that_the_connection_closes_is_not_answered_again(virtual: VirtualLoop) -> None:
    client = Client(virtual)
    client.sends(GET % 1 + GET % 2)
    client.connection.close_when_idle()
    answer(client.stream, close=True)
    virtual.turn()
    assert client.transport.sent.count(b"HTTP/1.1 ") == 1
    assert client.state == states.LINGER


def test_drain_lets_a_head_under_way_be_answered(client: Client) -> None:
    client.sends((GET % 1)[:10])
    client.connection.close_when_idle()
    client.sends((GET % 1)[10:])
    answer(client.stream)
    assert client.transport.sent == OK
    assert client.transport.closed


def test_whoever_has_just_connected_has_a_second_for_its_request(virtual: VirtualLoop) -> None:
    silent, asking, old = Client(virtual), Client(virtual), Client(virtual)
    old.connection.started -= 1.0
    for client in (silent, asking, old):
        client.connection.close_when_idle()
    assert (silent.transport.closed, old.transport.closed) == (False, True)
    virtual.advance(0.9)
    asking.sends((GET % 1)[:10])
    virtual.advance(5)
    assert silent.transport.closed
    asking.sends((GET % 1)[10:])
    answer(asking.stream)
    assert asking.transport.sent == OK
    assert asking.transport.closed


def test_a_request_that_lies_unread_is_answered(virtual: VirtualLoop) -> None:
    client = Client(virtual, answer)
    client.sends(GET % 1)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        readable(client, ours)
        theirs.send(GET % 2)
        client.connection.close_when_idle()
        assert not client.transport.closed
        client.sends(ours.recv(1000))
    assert client.transport.sent == OK + OK
    assert client.transport.closed


def test_an_idle_connection_is_not_closed_over_a_request_that_lies_unread(virtual: VirtualLoop) -> None:
    client = Client(virtual, answer)
    client.sends(GET % 1)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        readable(client, ours)
        theirs.send(GET % 2)
        virtual.advance(76)
        assert not client.transport.closed
        client.sends(ours.recv(1000))
        assert client.transport.sent == OK + OK
        virtual.advance(76)
    assert client.transport.closed


def test_who_comes_after_the_others_were_told_is_told_as_well(virtual: VirtualLoop) -> None:
    client = Client(virtual)
    client.registry.close_idle()
    client.connection.connection_made(client.transport)  # type: ignore[arg-type]
    client.sends(GET % 1)
    answer(client.stream)
    assert client.transport.closed


# What it carries.


def test_it_says_what_it_carries(virtual: VirtualLoop) -> None:
    idle, busy, raw, websocket = (Client(virtual) for _ in range(4))
    busy.sends(GET % 1)
    tunnel(raw, websocket=False)
    tunnel(websocket, websocket=True)
    carried = [client.connection.carries() for client in (idle, busy, raw, websocket)]
    assert carried == [NOTHING, REQUEST, RAW_TUNNEL, WEBSOCKET]
    answer(busy.stream)
    assert busy.connection.carries() == NOTHING


# A WebSocket.


def test_only_a_websocket_is_told_to_go(virtual: VirtualLoop) -> None:
    idle, busy, raw, websocket = (Client(virtual) for _ in range(4))
    busy.sends(GET % 1)
    tunnel(raw, websocket=False)
    tunnel(websocket, websocket=True)
    websocket.stream.send_data(HELLO)
    for client in (idle, busy, raw, websocket):
        client.connection.leave_websocket()
    assert [client.transport.sent for client in (idle, busy, raw)] == [b"", b"", b""]
    assert websocket.transport.sent == HELLO + GOING_AWAY


def test_a_client_that_was_told_and_ends_is_done(client: Client) -> None:
    tunnel(client, websocket=True)
    client.connection.leave_websocket()
    client.sends(CLOSE)
    assert client.take() == [("request_data", CLOSE)]
    assert client.connection.eof_received() is False
    client.gone()
    assert client.take() == [("downstream_gone",)]


# At once.


def broken(client: Client, with_answer: bool) -> None:
    if with_answer:
        client.acceptor.on["request_broken"] = lambda *_: answer(client.stream, b"late", 503, close=True)


@pytest.mark.parametrize("sent", [GET % 1, POST + b"01", POST])
def test_a_request_without_an_answer_is_told_why(client: Client, sent: bytes) -> None:
    broken(client, with_answer=True)
    client.sends(sent)
    client.take()
    assert client.connection.end_now() == 1
    assert client.take() == [("request_broken", Reason.DRAINING)]
    assert client.transport.sent.endswith(b"late")
    assert not client.transport.aborted
    assert client.connection.end_now() == 0  # once more: it is on its way out
    assert not client.transport.aborted


def test_a_request_whose_body_is_awaited_lingers_so_that_its_answer_arrives(client: Client) -> None:
    broken(client, with_answer=True)
    client.sends(POST + b"01")
    client.connection.end_now()
    assert client.state == states.LINGER
    assert client.transport.eof_sent
    client.sends(b"23456789")
    assert client.transport.sent.endswith(b"late")


def test_an_answer_under_way_is_cut(client: Client) -> None:
    def cut(*_: Any) -> None:
        client.stream.reset()

    client.acceptor.on["request_broken"] = cut
    client.sends(GET % 1)
    client.stream.send_head(b"H\r\n\r\n", CHUNKED, False)
    assert client.connection.end_now() == 1
    assert client.transport.aborted


def test_a_request_that_nobody_ends_is_cut_all_the_same(client: Client) -> None:
    client.sends(GET % 1)
    assert client.connection.end_now() == 1
    assert client.transport.aborted


def idle(client: Client) -> None:
    """As accepted."""


def half_asked(client: Client) -> None:
    client.sends((GET % 1)[:10])


@pytest.mark.parametrize("state", [idle, half_asked])
def test_what_is_no_request_yet_is_closed_and_not_counted(client: Client, state: Callable[[Client], None]) -> None:
    state(client)
    assert client.connection.end_now() == 0
    assert client.transport.closed
    assert client.take() == []


def kept(stream: DownstreamStream) -> None:
    answer(stream)


def closed(stream: DownstreamStream) -> None:
    answer(stream, close=True)


@pytest.mark.parametrize("answering", [kept, closed])
def test_an_answer_whose_end_its_client_has_not_taken_is_cut_and_counted_once(
    virtual: VirtualLoop, answering: Callable[[DownstreamStream], None]
) -> None:
    client = Client(virtual, answering)
    client.transport.unsent = 10
    client.sends(GET % 1)
    assert client.connection.carries() == REQUEST
    assert client.connection.end_now() == 1
    assert client.transport.aborted
    assert client.connection.end_now() == 0


def test_a_request_that_was_told_why_keeps_its_time_to_take_that(client: Client) -> None:
    broken(client, with_answer=True)
    client.sends(GET % 1)
    client.transport.unsent = 10
    assert client.connection.end_now() == 1
    assert client.connection.end_now() == 0
    assert not client.transport.aborted


def test_a_connection_that_is_on_its_way_out_is_left_to_it(virtual: VirtualLoop) -> None:
    def goodbye(stream: DownstreamStream) -> None:
        answer(stream, close=True)

    client = Client(virtual, goodbye)
    client.sends(GET % 1)
    assert client.connection.end_now() == 0
    assert client.transport.closed
    assert not client.transport.aborted


@pytest.mark.parametrize("websocket", [False, True])
def test_a_tunnel_is_cut_and_counted(client: Client, websocket: bool) -> None:
    tunnel(client, websocket=websocket)
    assert client.connection.end_now() == 1
    assert client.transport.aborted
    assert client.take() == [("downstream_gone",)]


def test_a_websocket_that_was_told_ends_behind_its_close(client: Client) -> None:
    tunnel(client, websocket=True)
    client.connection.leave_websocket()
    assert client.connection.end_now() == 1
    assert client.transport.closed
    assert not client.transport.aborted
    client.gone()
    assert client.take() == [("downstream_gone",)]


def test_a_websocket_that_was_told_within_a_frame_is_cut(client: Client) -> None:
    tunnel(client, websocket=True)
    client.stream.send_data(HELLO[:3])
    client.connection.leave_websocket()
    assert client.connection.end_now() == 1
    assert client.transport.aborted


def test_a_websocket_whose_closing_handshake_is_complete_was_not_cut(client: Client) -> None:
    tunnel(client, websocket=True)
    client.connection.leave_websocket()
    client.sends(CLOSE)
    assert client.connection.end_now() == 0
    assert not client.transport.aborted
