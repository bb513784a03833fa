"""A connection to an endpoint without HTTP, without sockets: who speaks first, its halves, its ends and its pool."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from sidecar.model.address import Address
from sidecar.model.connections import Connections
from sidecar.model.observer import UpstreamObserver
from sidecar.model.outcome import Cause
from sidecar.transport.pool import EndpointPool, PoolSnapshot
from sidecar.transport.raw_upstream import RawUpstream
from sidecar.transport.settings import PoolSettings
from sidecar.transport.tasks import Tasks
from sidecar.transport.upstream_state import CLOSED
from sidecar.transport.wheel import DeadlineWheel
from tests.transport.doubles import Calls, FakeTransport, ResponseEar, VirtualLoop


class Endpoint:
    """A raw pool whose connections open at once, or when `gate` is set."""

    def __init__(self, loop: VirtualLoop, settings: PoolSettings | None = None) -> None:
        self.loop = loop
        self.calls: Calls = []
        self.counts = Connections()
        self.gate = asyncio.Event()
        self.gate.set()
        self.made: list[RawUpstream] = []
        self.transports: list[FakeTransport] = []
        self.wheel = DeadlineWheel(loop, loop.time)
        self.pool = EndpointPool(
            Address("10.0.0.1", 5432),
            settings or PoolSettings(),
            1.0,
            self.connect,
            self.wheel,
            UpstreamObserver(),
            self.counts,
            Tasks(loop),
            raw=True,
        )

    async def connect(self, factory: Callable[[], RawUpstream], *_: object) -> RawUpstream:
        await self.gate.wait()
        connection, transport = factory(), FakeTransport()
        connection.connection_made(transport)  # type: ignore[arg-type]
        self.made.append(connection)
        self.transports.append(transport)
        return connection

    def ask(self, name: str = "", **on: Callable[..., object]) -> ResponseEar:
        ear = ResponseEar(self.calls, name, **on)
        assert self.pool.lease(ear, 100.0) is None, "none is kept"
        self.loop.turn()
        return ear

    def standing(self) -> tuple[ResponseEar, RawUpstream, FakeTransport]:
        """One connection that is open for bytes."""
        ear = self.ask()
        self.made[-1].open_tunnel(ear)
        return ear, self.made[-1], self.transports[-1]

    def heard(self) -> Calls:
        return [call for call in self.calls if call != ("leased",)]


def reads(transport: FakeTransport) -> bool:
    """Whether it is read from."""
    return transport.reading


def is_cut(transport: FakeTransport) -> bool:
    """Whether it was cut off."""
    return transport.aborted


def is_closed(transport: FakeTransport) -> bool:
    """Whether it was closed or cut off."""
    return transport.closed


def test_bytes_pass_both_ways(virtual: VirtualLoop) -> None:
    endpoint = Endpoint(virtual)
    _, connection, transport = endpoint.standing()
    connection.send_data(b"ask")
    connection.data_received(b"answer")
    assert transport.sent == b"ask"
    assert endpoint.heard() == [("response_data", b"answer")]


def test_a_server_that_speaks_first_is_heard_whole_and_in_order(virtual: VirtualLoop) -> None:
    endpoint = Endpoint(virtual)
    ear = endpoint.ask()
    connection, transport = endpoint.made[-1], endpoint.transports[-1]
    connection.data_received(b"220 ")
    assert not reads(transport), "nobody is there to take more"
    connection.open_tunnel(ear)
    connection.data_received(b"ready ")
    virtual.turn()
    connection.data_received(b"now")
    assert reads(transport)
    assert endpoint.heard() == [("response_data", b"220 ready "), ("response_data", b"now")]


def test_a_server_that_says_no_and_ends_is_heard_too(virtual: VirtualLoop) -> None:
    endpoint = Endpoint(virtual)
    ear = endpoint.ask()
    connection = endpoint.made[-1]
    connection.data_received(b"-ERR max number of clients reached")
    assert connection.eof_received()
    connection.open_tunnel(ear)
    virtual.turn()
    assert endpoint.heard() == [("response_data", b"-ERR max number of clients reached"), ("response_end", b"")]


def test_each_half_ends_by_itself_and_the_place_is_free_after_both(virtual: VirtualLoop) -> None:
    endpoint = Endpoint(virtual)
    _, connection, transport = endpoint.standing()
    connection.send_end()
    connection.send_end()
    assert (transport.eof_sent, transport.closed) == (True, False)
    connection.data_received(b"late")
    assert endpoint.pool.snapshot().in_use == 1
    assert not connection.eof_received()
    assert endpoint.heard() == [("response_data", b"late"), ("response_end", b"")]
    assert (transport.closed, transport.aborted) == (True, False)
    assert endpoint.pool.snapshot() == PoolSnapshot(0, 0, 0, 0)
    assert (endpoint.counts.active, endpoint.counts.idle) == (0, 0)


def test_the_endpoint_may_end_first(virtual: VirtualLoop) -> None:
    endpoint = Endpoint(virtual)
    _, connection, transport = endpoint.standing()
    assert connection.eof_received()
    connection.send_data(b"still")
    connection.send_end()
    assert (transport.sent, transport.closed, connection.state) == (b"still", True, CLOSED)
    assert endpoint.pool.snapshot().in_use == 0


def test_where_no_half_can_end_alone_both_end(virtual: VirtualLoop) -> None:
    endpoint = Endpoint(virtual)
    _, connection, transport = endpoint.standing()
    transport.half_close = False
    connection.send_end()
    assert endpoint.heard() == [], "never inside the receiver's own call"
    virtual.turn()
    assert endpoint.heard() == [("response_end", b"")]
    assert is_closed(transport)


def test_a_reset_is_told_once(virtual: VirtualLoop) -> None:
    endpoint = Endpoint(virtual)
    ear, connection, _ = endpoint.standing()
    connection.connection_lost(ConnectionResetError())
    assert endpoint.heard() == [("upstream_failed", Cause.RESET)]
    assert endpoint.pool.snapshot().in_use == 0
    assert ear.streams == [connection]


def test_giving_up_cuts_the_connection_and_frees_its_place(virtual: VirtualLoop) -> None:
    endpoint = Endpoint(virtual)
    _, connection, transport = endpoint.standing()
    connection.cancel()
    connection.connection_lost(None)
    assert (transport.aborted, endpoint.heard()) == (True, [])
    assert endpoint.pool.snapshot().in_use == 0


def test_one_that_died_before_it_was_used_is_told_of_in_the_next_turn(virtual: VirtualLoop) -> None:
    endpoint = Endpoint(virtual)
    ear = endpoint.ask()
    connection = endpoint.made[-1]
    connection.connection_lost(ConnectionResetError())
    connection.open_tunnel(ear)
    assert endpoint.heard() == []
    virtual.turn()
    assert endpoint.heard() == [("upstream_failed", Cause.RESET)]


def test_an_endpoint_that_does_not_keep_up_is_told_of(virtual: VirtualLoop) -> None:
    endpoint = Endpoint(virtual)
    _, connection, transport = endpoint.standing()
    transport.unsent = 5
    connection.pause_writing()
    virtual.turn()
    connection.resume_writing()
    assert endpoint.heard() == [("upstream_paused",), ("upstream_resumed",)]
    assert connection.unsent() == 5


def test_reading_stops_and_goes_on_as_the_bridge_says(virtual: VirtualLoop) -> None:
    endpoint = Endpoint(virtual)
    _, connection, transport = endpoint.standing()
    connection.pause()
    assert not reads(transport)
    connection.resume()
    assert reads(transport)
    connection.eof_received()
    connection.pause()
    assert reads(transport), "there is nothing left to read"


def test_an_endpoint_that_takes_none_of_the_last_bytes_is_cut_off(virtual: VirtualLoop) -> None:
    endpoint = Endpoint(virtual)
    _, connection, transport = endpoint.standing()
    connection.eof_received()
    transport.unsent = 100
    connection.send_end()
    transport.unsent = 50
    virtual.advance(31)
    assert not is_cut(transport), "it takes some"
    virtual.advance(31)
    assert is_cut(transport)
    connection.connection_lost(None)
    assert endpoint.pool.snapshot().in_use == 0


def test_a_connection_made_for_somebody_who_left_is_not_kept(virtual: VirtualLoop) -> None:
    endpoint = Endpoint(virtual)
    endpoint.gate.clear()
    ear = endpoint.ask()
    endpoint.pool.forget(ear)
    endpoint.gate.set()
    virtual.turn()
    assert endpoint.transports[-1].closed
    assert endpoint.pool.snapshot() == PoolSnapshot(0, 0, 0, 0)


def test_each_connection_serves_one_and_waiting_ends_when_a_place_is_free(virtual: VirtualLoop) -> None:
    endpoint = Endpoint(virtual, PoolSettings(max_connections=1))
    endpoint.ask("first ")
    endpoint.made[-1].open_tunnel(ResponseEar(endpoint.calls))
    endpoint.ask("second ")
    assert len(endpoint.made) == 1
    endpoint.made[-1].cancel()
    virtual.turn()
    assert len(endpoint.made) == 2
    assert [call[0] for call in endpoint.calls] == ["first leased", "second leased"]


@pytest.mark.parametrize("leave", [True, False])
def test_closing_the_pool_leaves_open_connections_to_their_end(virtual: VirtualLoop, leave: bool) -> None:
    endpoint = Endpoint(virtual)
    _, connection, transport = endpoint.standing()
    endpoint.pool.close()
    assert not is_closed(transport)
    if leave:
        connection.cancel()
    else:
        endpoint.pool.abort()
    assert is_cut(transport)
    assert endpoint.pool.snapshot().in_use == 0
