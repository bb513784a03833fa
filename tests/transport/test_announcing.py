"""Connections that begin with a PROXY header: made for one exchange each, in virtual time."""

from __future__ import annotations

from functools import partial

import pytest

from sidecar.model.outcome import Cause
from sidecar.transport.announcing import AnnouncingPool
from sidecar.transport.pool import PoolSnapshot
from sidecar.transport.settings import PoolSettings
from sidecar.transport.upstream_state import CLOSED
from sidecar.wire.proxy_protocol import Version
from tests.transport.doubles import ResponseEar, VirtualLoop
from tests.transport.pools import Endpoint


class Client(ResponseEar):
    """An exchange that says whose it is."""

    def announcement(self, version: Version) -> bytes:
        if self.name == "broken":
            raise ValueError("a bug of ours")
        return f"PROXY {version} {self.name}\r\n".encode()


class Announced(Endpoint):
    """An endpoint that is told of each client."""

    def __init__(self, loop: VirtualLoop, most: int = 100) -> None:
        kind = partial(AnnouncingPool, version="v1")
        super().__init__(loop, PoolSettings(max_connections=most, max_lifetime=None), kind=kind)

    def ear(self, name: str = "", **on: object) -> ResponseEar:
        return Client(self.calls, name)


@pytest.fixture
def endpoint(virtual: VirtualLoop) -> Announced:
    return Announced(virtual)


def test_a_connection_begins_with_the_header_of_whom_it_is_made_for(endpoint: Announced) -> None:
    endpoint.ask("a")
    endpoint.ask("b")
    assert endpoint.preambles == [b"PROXY v1 a\r\n", b"PROXY v1 b\r\n"]
    assert endpoint.heard("leased") == ["a", "b"]
    assert endpoint.pool.snapshot() == PoolSnapshot(in_use=2, idle=0, waiting=0, connecting=0)
    assert (endpoint.counts.active, endpoint.counts.idle) == (2, 0)


def test_no_connection_serves_two_exchanges(endpoint: Announced) -> None:
    first = endpoint.ask("a")
    endpoint.serve(first)
    assert endpoint.made[0].state == CLOSED
    assert endpoint.pool.snapshot() == PoolSnapshot(in_use=0, idle=0, waiting=0, connecting=0)
    assert (endpoint.counts.active, endpoint.counts.idle) == (0, 0)
    endpoint.ask("a")
    assert endpoint.preambles == [b"PROXY v1 a\r\n"] * 2


def test_one_whose_exchange_has_left_meanwhile_serves_nobody_else(endpoint: Announced) -> None:
    endpoint.gate.clear()
    gone, other = endpoint.ask("a"), endpoint.ask("b")
    endpoint.pool.forget(gone)
    endpoint.gate.set()
    endpoint.loop.turn()
    assert endpoint.heard("leased") == ["b"]
    assert [one.state == CLOSED for one in endpoint.made] == [True, False]
    assert endpoint.results == ["ok", "ok"]
    assert other.streams[0] is endpoint.made[1]
    assert endpoint.pool.snapshot().in_use == 1


def test_the_next_exchange_does_not_wait_for_the_connection_of_one_that_left(endpoint: Announced) -> None:
    endpoint.gate.clear()
    endpoint.pool.forget(endpoint.ask("a"))
    endpoint.ask("b")
    assert endpoint.preambles == [b"PROXY v1 a\r\n", b"PROXY v1 b\r\n"]
    endpoint.gate.set()
    endpoint.loop.turn()
    assert endpoint.heard("leased") == ["b"]


def test_who_comes_back_takes_the_connection_that_is_being_made_for_it(endpoint: Announced) -> None:
    endpoint.gate.clear()
    ear = endpoint.ask("a")
    endpoint.pool.forget(ear)
    assert endpoint.pool.lease(ear, 50.0) is None
    endpoint.gate.set()
    endpoint.loop.turn()
    assert endpoint.preambles == [b"PROXY v1 a\r\n"]
    assert endpoint.heard("leased") == ["a"]


def test_those_above_the_limit_wait_and_are_served_in_order(virtual: VirtualLoop) -> None:
    endpoint = Announced(virtual, most=2)
    ears = [endpoint.ask(name) for name in "abcd"]
    assert endpoint.heard("leased") == ["a", "b"]
    endpoint.serve(ears[1])
    assert endpoint.heard("leased") == ["a", "b", "c"]
    ears[0].streams[0].cancel()
    virtual.turn()
    assert endpoint.heard("leased") == ["a", "b", "c", "d"]
    assert endpoint.preambles[3] == b"PROXY v1 d\r\n"


def test_a_connection_that_fails_is_told_to_whom_it_was_for(endpoint: Announced) -> None:
    endpoint.gate.clear()
    endpoint.pool.forget(endpoint.ask("a"))
    endpoint.ask("b")
    endpoint.fault = ConnectionRefusedError(111, "refused")
    endpoint.gate.set()
    endpoint.loop.turn()
    assert endpoint.calls == [("blease_failed", Cause.CONNECT_FAILURE)]
    assert endpoint.results == ["connect_failure", "connect_failure"]
    assert endpoint.pool.snapshot() == PoolSnapshot(in_use=0, idle=0, waiting=0, connecting=0)


def test_one_that_dies_as_it_is_made_is_a_failure(endpoint: Announced) -> None:
    endpoint.dies = True
    endpoint.ask("a")
    assert endpoint.calls == [("alease_failed", Cause.CONNECT_FAILURE)]


def test_a_header_that_cannot_be_made_is_a_failure_and_no_silence(endpoint: Announced) -> None:
    endpoint.ask("broken")
    assert endpoint.calls == [("brokenlease_failed", Cause.CONNECT_FAILURE)]


def test_a_receiver_that_fails_costs_its_connection_and_no_place(endpoint: Announced) -> None:
    ear = Client(endpoint.calls, "a", leased=lambda: 1 / 0)
    assert endpoint.pool.lease(ear, 10.0) is None
    endpoint.loop.turn()
    assert endpoint.made[0].state == CLOSED
    assert endpoint.pool.snapshot().in_use == 0


def test_after_another_connector_the_old_one_s_connection_is_not_used(endpoint: Announced) -> None:
    endpoint.gate.clear()
    endpoint.ask("a")
    made: list[bytes] = []

    async def another(factory: object, preamble: bytes) -> object:
        made.append(preamble)
        raise ConnectionRefusedError(111, "refused")

    endpoint.pool.reconnect(another)  # type: ignore[arg-type]
    endpoint.gate.set()
    endpoint.loop.turn()
    assert endpoint.made[0].state == CLOSED
    assert made == [b"PROXY v1 a\r\n"]
    assert endpoint.calls == [("alease_failed", Cause.CONNECT_FAILURE)]


def test_a_connection_of_our_own_begins_with_the_header_of_nobody(endpoint: Announced) -> None:
    assert (endpoint.pool.greeting, endpoint.pool.version) == (b"PROXY UNKNOWN\r\n", "v1")
