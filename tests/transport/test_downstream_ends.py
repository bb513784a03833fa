"""The accepted connection as a machine: leaving, waiting, pressure, tunnels. No socket, virtual time."""
# mypy: no-warn-unreachable
# (after `assert not x.closed` mypy takes x to be open for good)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sidecar.model.reason import Reason
from sidecar.transport import downstream_state as states
from sidecar.wire.message import CHUNKED
from tests.transport.clients import GET, POST, UPGRADE, Client
from tests.transport.doubles import VirtualLoop, answer


@pytest.fixture
def client(virtual: VirtualLoop) -> Client:
    return Client(virtual)


# Leaving.


def waiting_body(client: Client) -> None:
    client.sends(POST + b"01")


def waiting_answer(client: Client) -> None:
    client.sends(GET % 1)


def half_answered(client: Client) -> None:
    client.sends(GET % 1)
    client.stream.send_head(b"H\r\n\r\n", CHUNKED, False)


@pytest.mark.parametrize("so_far", [waiting_body, waiting_answer, half_answered])
@pytest.mark.parametrize("how", ["fin", "rst", "abort"])
def test_a_client_that_leaves_is_told_once(client: Client, so_far: Callable[[Client], None], how: str) -> None:
    so_far(client)
    client.take()
    if how == "fin":
        assert client.connection.eof_received() is False
        assert client.transport.aborted
    elif how == "abort":
        client.connection.abort()
        assert client.transport.aborted
    client.gone(ConnectionResetError() if how == "rst" else None)
    assert client.take() == [("downstream_gone",)]
    assert (client.counts.active, client.counts.idle, len(client.registry)) == (0, 0, 0)


@pytest.mark.parametrize("data", [b"", b"GET / HT"])
def test_a_client_that_leaves_without_a_request_is_let_go_silently(client: Client, data: bytes) -> None:
    if data:
        client.sends(data)
    client.connection.eof_received()
    assert client.transport.closed
    client.gone()
    assert client.take() == []
    assert (client.counts.active, client.counts.idle, len(client.registry)) == (0, 0, 0)


# Timeouts.


def test_silence_after_accept_is_closed_silently(client: Client, virtual: VirtualLoop) -> None:
    virtual.advance(9.9)
    assert not client.transport.closed
    virtual.advance(0.2)
    assert client.transport.closed
    assert client.transport.sent == b""
    assert client.take() == []


def test_a_slow_first_head_is_refused_from_accept_on(client: Client, virtual: VirtualLoop) -> None:
    for byte in b"GET / HTT":
        virtual.advance(1)
        client.sends(bytes([byte]))
    virtual.advance(1.1)
    assert client.take() == [("refuse", Reason.HEADER_TIMEOUT)]


def test_a_slow_later_head_is_refused_from_its_first_byte_on(client: Client, virtual: VirtualLoop) -> None:
    client.sends(GET % 1)
    answer(client.stream)
    client.take()
    virtual.advance(50)
    client.sends(b"GET")
    virtual.advance(9.9)
    assert client.take() == []
    virtual.advance(0.2)
    assert client.take() == [("refuse", Reason.HEADER_TIMEOUT)]


def test_an_idle_connection_is_closed_after_the_idle_timeout(client: Client, virtual: VirtualLoop) -> None:
    client.sends(GET % 1)
    virtual.advance(500)
    client.wheel.now()  # a turn begins
    answer(client.stream)
    client.take()
    virtual.advance(74.9)
    assert not client.transport.closed
    virtual.advance(0.2)
    assert client.transport.closed
    assert client.take() == []


def test_a_stalled_body_breaks_the_request(client: Client, virtual: VirtualLoop) -> None:
    client.sends(POST)
    for _ in range(3):
        virtual.advance(29)
        client.sends(b"0")
    client.take()
    virtual.advance(30.1)
    assert client.take() == [("request_broken", Reason.BODY_TIMEOUT)]
    answer(client.stream, b"slow", 408, close=True)
    assert client.state == states.LINGER


def test_no_body_timeout_runs_while_we_do_not_read(client: Client, virtual: VirtualLoop) -> None:
    client.sends(POST)
    client.stream.pause()
    client.stream.pause()
    assert not client.transport.reading
    client.take()
    virtual.advance(100)
    assert client.take() == []
    client.wheel.now()  # a turn begins
    client.stream.resume()
    client.stream.resume()
    assert client.transport.reading
    virtual.advance(29)
    assert client.take() == []
    virtual.advance(1.1)
    assert client.take() == [("request_broken", Reason.BODY_TIMEOUT)]


def test_no_body_timeout_runs_before_100_continue(client: Client, virtual: VirtualLoop) -> None:
    client.sends(POST.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
    client.take()
    virtual.advance(100)
    assert client.take() == []
    client.stream.send_informational(b"HTTP/1.1 100 Continue\r\n\r\n")
    virtual.advance(30.1)
    assert client.take() == [("request_broken", Reason.BODY_TIMEOUT)]


def test_the_bridges_timer_is_told_to_the_receiver_and_ends_with_the_exchange(
    client: Client, virtual: VirtualLoop
) -> None:
    client.sends(GET % 1)
    client.take()
    client.wheel.set(client.stream.timer, virtual.time() + 1)
    virtual.advance(1.1)
    assert client.take() == [("expired",)]
    client.wheel.set(client.stream.timer, virtual.time() + 1)
    answer(client.stream)
    client.sends(GET % 2)
    client.take()
    virtual.advance(2)
    assert client.take() == []


# Pressure.


def test_a_full_buffer_is_told_in_the_next_turn(client: Client, virtual: VirtualLoop) -> None:
    client.sends(GET % 1)
    client.take()
    client.connection.pause_writing()
    assert client.take() == []
    virtual.turn()
    assert client.take() == [("downstream_paused",)]
    client.connection.resume_writing()
    assert client.take() == [("downstream_resumed",)]


def test_a_buffer_full_for_less_than_a_turn_is_not_told(client: Client, virtual: VirtualLoop) -> None:
    client.sends(GET % 1)
    client.take()
    client.connection.pause_writing()
    client.connection.resume_writing()
    virtual.turn()
    assert client.take() == []


@pytest.mark.parametrize("pipelined", [GET % 2 + GET % 3, GET % 2 + b"GET /3 HT"])
def test_no_request_begins_while_answers_lie_unread(client: Client, virtual: VirtualLoop, pipelined: bytes) -> None:
    client.sends(GET % 1 + pipelined[:9])
    client.connection.pause_writing()
    answer(client.stream)
    client.take()
    client.sends(pipelined[9:])
    virtual.turn()
    assert client.take() == []
    assert (client.counts.active, client.counts.idle) == (0, 1)
    client.connection.resume_writing()
    virtual.turn()
    assert client.take() == [("request", b"GET /2"), ("request_end", b"")]
    answer(client.stream)
    virtual.turn()
    client.sends(b"TP/1.1\r\nHost: h\r\n\r\n")
    assert client.take()[0] == ("request", b"GET /3")


def test_what_is_asked_while_answers_lie_unread_is_bounded(client: Client, virtual: VirtualLoop) -> None:
    client.sends(GET % 1)
    client.connection.pause_writing()
    answer(client.stream)
    client.take()
    client.sends(POST + b"0123")
    assert client.transport.reading
    client.sends(b"4" * 70000)
    assert not client.transport.reading
    client.connection.resume_writing()
    virtual.turn()
    assert client.take() == [("request", b"POST /p"), ("request_data", b"0123444444"), ("request_end", b"")]
    assert not client.transport.reading


def test_a_body_that_was_asked_for_ahead_is_read_on(client: Client, virtual: VirtualLoop) -> None:
    large = POST.replace(b": 10", b": 200000")
    client.sends(GET % 1 + large + b"x" * 70000)
    assert not client.transport.reading
    answer(client.stream)
    client.take()
    virtual.turn()
    assert client.take()[0] == ("request", b"POST /p")
    assert client.transport.reading


def test_a_client_that_takes_nothing_is_cut(client: Client, virtual: VirtualLoop) -> None:
    client.sends(GET % 1)
    client.transport.unsent = 300000
    client.connection.pause_writing()
    virtual.advance(74.9)
    client.take()
    assert not client.transport.aborted
    virtual.advance(0.2)
    assert client.take() == [("downstream_gone",)]
    assert client.transport.aborted


def test_a_client_that_takes_a_little_is_not_cut(client: Client, virtual: VirtualLoop) -> None:
    client.sends(GET % 1)
    client.transport.unsent = 300000
    client.connection.pause_writing()
    for _ in range(5):
        virtual.advance(74)
        client.transport.unsent -= 1000
    assert not client.transport.aborted


def test_a_closing_connection_whose_bytes_lie_unread_is_cut(client: Client, virtual: VirtualLoop) -> None:
    client.sends(GET % 1)
    client.transport.unsent = 1000
    answer(client.stream, close=True)
    assert client.transport.closed
    virtual.advance(75.1)
    assert client.transport.aborted


# Tunnels.


def tunnel(client: Client, early: bytes = b"") -> None:
    client.sends(UPGRADE + early)
    client.stream.send_informational(b"HTTP/1.1 101 Y\r\n\r\n")
    client.stream.open_tunnel()
    client.take()


def test_a_tunnel_carries_raw_bytes_and_early_ones_first(client: Client, virtual: VirtualLoop) -> None:
    tunnel(client, b"early")
    client.sends(b"later")
    virtual.turn()
    assert client.take() == [("request_data", b"early"), ("request_data", b"later")]
    client.stream.send_data(b"down")
    assert client.transport.sent == b"HTTP/1.1 101 Y\r\n\r\ndown"


def test_early_bytes_of_a_tunnel_need_no_later_ones(client: Client, virtual: VirtualLoop) -> None:
    tunnel(client, b"early")
    virtual.turn()
    assert client.take() == [("request_data", b"early")]


def test_a_tunnel_passes_half_closes_on_in_either_order(virtual: VirtualLoop) -> None:
    client = Client(virtual)
    tunnel(client)
    assert client.connection.eof_received() is True
    assert client.take() == [("request_end", b"")]
    client.stream.send_data(b"still")
    assert not client.transport.closed
    client.stream.send_end()
    assert client.transport.closed
    client.gone()
    assert client.take() == []

    client = Client(virtual)
    tunnel(client)
    client.stream.send_end()
    assert (client.transport.eof_sent, client.transport.closed) == (True, False)
    client.sends(b"still")
    assert client.connection.eof_received() is False
    assert client.take() == [("request_data", b"still"), ("request_end", b"")]
    assert client.transport.closed
    client.gone()
    assert client.take() == []


def test_a_tunnel_that_breaks_is_gone(client: Client) -> None:
    tunnel(client)
    client.connection.eof_received()
    client.take()
    client.gone(ConnectionResetError())
    assert client.take() == [("downstream_gone",)]


def test_a_silent_tunnel_is_cut_and_any_traffic_keeps_it(client: Client, virtual: VirtualLoop) -> None:
    tunnel(client)
    virtual.advance(74)
    client.sends(b"x")
    virtual.advance(74)
    client.stream.send_data(b"y")
    virtual.advance(74)
    client.take()
    virtual.advance(1.1)
    assert client.take() == [("downstream_gone",)]
    assert client.transport.aborted


def test_a_tunnel_needs_a_complete_request(client: Client) -> None:
    client.sends(POST)
    with pytest.raises(RuntimeError, match="complete request"):
        client.stream.open_tunnel()


def test_one_connection_too_many_is_refused(virtual: VirtualLoop) -> None:
    client = Client(virtual, full=True)
    assert client.take() == [("refuse", Reason.OVERLOADED)]
    assert client.transport.sent.startswith(b"HTTP/1.1 503")
    assert client.state == states.LINGER


def test_a_bug_in_a_later_turn_cuts_the_connection(client: Client, virtual: VirtualLoop) -> None:
    client.sends(GET % 1 + GET % 2)
    answer(client.stream)

    def fail(_: Any) -> None:
        raise RuntimeError("a bug")

    client.acceptor.on_request = fail
    virtual.turn()
    assert client.transport.aborted
    assert [str(context["exception"]) for context in virtual.errors] == ["a bug"]
    virtual.errors.clear()
