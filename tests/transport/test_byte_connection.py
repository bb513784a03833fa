"""An accepted connection of bytes, without sockets: its halves, what it reads before it stands, and its ends."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sidecar.model.connections import Connections
from sidecar.model.reason import Reason
from sidecar.transport.byte_connection import ByteConnection
from sidecar.transport.byte_state import CLOSED, CLOSING, OPEN, WAITING
from sidecar.transport.registry import NOTHING, RAW_TUNNEL, REQUEST, Registry
from sidecar.transport.service import Service
from sidecar.transport.settings import DownstreamSettings
from sidecar.transport.stream import Acceptor, DownstreamStream, Receiver
from sidecar.transport.wheel import DeadlineWheel
from sidecar.wire.origin import Origin
from tests.transport.doubles import Calls, FakeTransport, RequestEar, VirtualLoop


class _Bridge(Acceptor):
    def __init__(self, calls: Calls, on_connection: Callable[[DownstreamStream], object] | None) -> None:
        self.calls = calls
        self.on_connection = on_connection
        self.ear = RequestEar(calls)

    def connection(self, stream: DownstreamStream, refusal: tuple[Reason, str] | None) -> Receiver:
        self.calls.append(("connection", None if refusal is None else refusal[0]))
        if refusal is not None:
            stream.send_end()
        elif self.on_connection is not None:
            self.on_connection(stream)
        return self.ear


class Client:
    """One accepted connection with everything around it."""

    def __init__(
        self,
        loop: VirtualLoop,
        on_connection: Callable[[DownstreamStream], object] | None = None,
        refusal: tuple[Reason, str] | None = None,
    ) -> None:
        self.loop = loop
        self.calls: Calls = []
        self.bridge = _Bridge(self.calls, on_connection)
        self.wheel = DeadlineWheel(loop, loop.time)
        self.counts = Connections()
        self.registry = Registry()
        self.transport = FakeTransport()
        settings = DownstreamSettings(idle_timeout=75)
        origin = Origin("127.0.0.1")
        service = Service(settings, self.bridge, lambda *_: origin, self.wheel, self.counts, self.registry)
        self.connection = ByteConnection(service, refusal)
        self.connection.connection_made(self.transport)  # type: ignore[arg-type]

    @property
    def ear(self) -> RequestEar:
        return self.bridge.ear

    def heard(self) -> Calls:
        taken = self.calls[1:]
        del self.calls[1:]
        return taken

    def gone(self, fault: Exception | None = None) -> None:
        self.connection.connection_lost(fault)


def standing(loop: VirtualLoop) -> Client:
    client = Client(loop)
    client.connection.open_tunnel()
    return client


def reads(transport: FakeTransport) -> bool:
    """Whether it is read from."""
    return transport.reading


def is_cut(transport: FakeTransport) -> bool:
    """Whether it was cut off."""
    return transport.aborted


def is_closed(transport: FakeTransport) -> bool:
    """Whether it was closed or cut off."""
    return transport.closed


def test_bytes_pass_both_ways_once_it_stands(virtual: VirtualLoop) -> None:
    client = standing(virtual)
    client.connection.data_received(b"ask")
    client.connection.send_data(b"answer")
    assert client.heard() == [("request_data", b"ask")]
    assert client.transport.sent == b"answer"


def test_what_is_said_before_it_stands_is_kept_in_order_and_told_in_the_next_turn(virtual: VirtualLoop) -> None:
    client = Client(virtual)
    client.connection.data_received(b"one ")
    client.connection.open_tunnel()
    client.connection.data_received(b"two ")
    assert client.heard() == []
    virtual.turn()
    client.connection.data_received(b"three")
    assert client.heard() == [("request_data", b"one two "), ("request_data", b"three")]


def test_an_end_that_came_before_it_stands_comes_after_what_was_said(virtual: VirtualLoop) -> None:
    client = Client(virtual)
    client.connection.data_received(b"all")
    assert client.connection.eof_received(), "our half stays open"
    client.connection.open_tunnel()
    virtual.turn()
    assert client.heard() == [("request_data", b"all"), ("request_end", b"")]
    client.connection.send_data(b"answer")
    client.connection.send_end()
    assert (client.transport.sent, client.transport.closed) == (b"answer", True)


def test_it_is_read_ahead_within_a_bound_and_on_once_it_stands(virtual: VirtualLoop) -> None:
    client = Client(virtual)
    client.connection.data_received(bytes(65536))
    assert reads(client.transport)
    client.connection.data_received(b"x")
    assert not reads(client.transport)
    client.connection.open_tunnel()
    virtual.turn()
    assert reads(client.transport)


def test_a_half_close_of_the_client_leaves_our_half_open(virtual: VirtualLoop) -> None:
    client = standing(virtual)
    assert client.connection.eof_received()
    client.connection.send_data(b"late")
    assert client.heard() == [("request_end", b"")]
    assert (client.transport.sent, client.transport.closed) == (b"late", False)
    client.connection.send_end()
    assert is_closed(client.transport)
    assert client.connection.state == CLOSING


def test_our_half_close_leaves_the_clients_half_open(virtual: VirtualLoop) -> None:
    client = standing(virtual)
    client.connection.send_end()
    assert client.transport.eof_sent
    client.connection.send_data(b"nothing may follow")
    client.connection.data_received(b"still here")
    assert not client.connection.eof_received()
    assert client.heard() == [("request_data", b"still here"), ("request_end", b"")]
    assert is_closed(client.transport)


def test_where_no_half_can_end_alone_both_end(virtual: VirtualLoop) -> None:
    client = standing(virtual)
    client.transport.half_close = False
    client.connection.send_end()
    assert client.heard() == [], "never inside our own call"
    virtual.turn()
    assert client.heard() == [("request_end", b"")]
    assert is_closed(client.transport)


def test_a_refused_connection_is_closed_and_nobody_hears_of_it(virtual: VirtualLoop) -> None:
    client = Client(virtual, refusal=(Reason.OVERLOADED, "too many connections"))
    assert client.calls == [("connection", Reason.OVERLOADED)]
    assert (client.transport.closed, client.transport.aborted) == (True, False)
    client.connection.data_received(b"ignored")
    client.gone()
    assert client.heard() == []


def test_the_bridge_may_have_it_stand_inside_its_first_call(virtual: VirtualLoop) -> None:
    client = Client(virtual, lambda stream: stream.open_tunnel())
    client.connection.data_received(b"ask")
    assert client.heard() == [("request_data", b"ask")]


def test_a_reset_is_told_once_and_gives_everything_back(virtual: VirtualLoop) -> None:
    client = standing(virtual)
    client.gone(ConnectionResetError())
    assert client.heard() == [("downstream_gone",)]
    assert client.connection.state == CLOSED
    assert (client.counts.active, client.counts.idle, len(client.registry)) == (0, 0, 0)


@pytest.mark.parametrize("state", [WAITING, OPEN])
def test_cutting_it_off_tells_nobody(virtual: VirtualLoop, state: int) -> None:
    client = standing(virtual) if state == OPEN else Client(virtual)
    client.connection.reset()
    client.gone()
    assert (client.heard(), client.transport.aborted) == ([], True)


def test_an_abort_tells_that_the_client_is_gone(virtual: VirtualLoop) -> None:
    client = standing(virtual)
    client.connection.abort()
    client.gone()
    assert (client.heard(), client.transport.aborted) == ([("downstream_gone",)], True)


def test_a_client_that_does_not_keep_up_is_told_of_in_the_next_turn(virtual: VirtualLoop) -> None:
    client = standing(virtual)
    client.transport.unsent = 300_000
    client.connection.pause_writing()
    assert client.heard() == []
    virtual.turn()
    assert client.heard() == [("downstream_paused",)]
    assert client.connection.unsent() == 300_000
    client.connection.resume_writing()
    assert client.heard() == [("downstream_resumed",)]


def test_reading_stops_and_goes_on_as_the_bridge_says(virtual: VirtualLoop) -> None:
    client = standing(virtual)
    client.connection.pause()
    client.connection.pause()
    assert not reads(client.transport)
    client.connection.resume()
    client.connection.resume()
    assert reads(client.transport)
    client.connection.eof_received()
    client.connection.pause()
    assert reads(client.transport), "there is nothing left to read"


def test_a_client_that_does_not_take_the_last_bytes_is_cut_off_once_it_has_taken_none_for_long(
    virtual: VirtualLoop,
) -> None:
    client = standing(virtual)
    client.connection.eof_received()
    client.transport.unsent = 1000
    client.connection.send_end()
    client.transport.unsent = 500
    virtual.advance(76)
    assert not is_cut(client.transport), "it takes some"
    virtual.advance(76)
    assert is_cut(client.transport)


def test_its_owner_sees_a_request_while_it_waits_and_a_tunnel_once_it_stands(virtual: VirtualLoop) -> None:
    client = Client(virtual)
    carried = [client.connection.carries()]
    client.connection.open_tunnel()
    carried.append(client.connection.carries())
    client.connection.eof_received()
    client.transport.unsent = 1
    client.connection.send_end()
    carried.append(client.connection.carries())
    client.transport.unsent = 0
    carried.append(client.connection.carries())
    assert carried == [REQUEST, RAW_TUNNEL, RAW_TUNNEL, NOTHING]


def test_a_drain_leaves_it_alone_until_its_deadline(virtual: VirtualLoop) -> None:
    client = standing(virtual)
    client.registry.close_idle()
    client.connection.leave_websocket()
    assert not is_closed(client.transport)
    assert client.connection.leaving
    client.connection.data_received(b"on")
    assert client.heard() == [("request_data", b"on")]


def test_at_the_deadline_it_is_cut_and_counted_once(virtual: VirtualLoop) -> None:
    client = standing(virtual)
    assert client.connection.end_now() == 1
    assert client.heard() == [("request_broken", Reason.DRAINING), ("downstream_gone",)]
    assert is_cut(client.transport)
    assert client.connection.end_now() == 0


def test_one_that_waits_at_the_deadline_is_refused_by_the_bridge(virtual: VirtualLoop) -> None:
    client = Client(virtual)
    client.ear.on["request_broken"] = lambda reason: client.connection.send_end()
    assert client.connection.end_now() == 1
    assert client.heard() == [("request_broken", Reason.DRAINING)]
    assert (client.transport.closed, client.transport.aborted) == (True, False)


def test_one_that_has_ended_is_counted_only_while_something_is_unsent(virtual: VirtualLoop) -> None:
    client = standing(virtual)
    client.connection.eof_received()
    client.transport.unsent = 10
    client.connection.send_end()
    assert client.connection.end_now() == 1
    assert is_cut(client.transport)
    other = standing(virtual)
    other.connection.eof_received()
    other.connection.send_end()
    assert other.connection.end_now() == 0
    assert not is_cut(other.transport)


def test_its_timer_is_the_bridges(virtual: VirtualLoop) -> None:
    client = standing(virtual)
    client.wheel.set(client.connection.timer, virtual.time() + 5)
    virtual.advance(6)
    assert client.heard() == [("expired",)]
