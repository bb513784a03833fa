"""Who gets which connection, when one is opened, and why none could be had. Fake connector, virtual time."""
# mypy: no-warn-unreachable
# (after `assert not x.closed` mypy takes x to be open for good)

from __future__ import annotations

import errno

import pytest

from sidecar.model.outcome import Cause
from sidecar.transport.pool import PoolSnapshot
from sidecar.transport.settings import PoolSettings
from sidecar.transport.upstream import UpstreamConnection
from sidecar.transport.upstream_state import CLOSED
from sidecar.wire.message import NO_BODY
from tests.transport.doubles import ResponseEar, VirtualLoop
from tests.transport.pools import OK, REQUEST, Endpoint


@pytest.fixture
def endpoint(virtual: VirtualLoop) -> Endpoint:
    return Endpoint(virtual)


def test_a_first_lease_is_told_later_on_a_new_connection(endpoint: Endpoint) -> None:
    ear = endpoint.ear()
    assert endpoint.pool.lease(ear, 10.0) is None
    assert endpoint.calls == []
    assert endpoint.pool.snapshot() == PoolSnapshot(in_use=0, idle=0, waiting=1, connecting=1)
    endpoint.loop.turn()
    assert endpoint.heard("leased") == [""]
    assert ear.streams[0].reused is False
    assert endpoint.results == ["ok"]
    assert len(endpoint.dialled) == 1
    assert endpoint.pool.snapshot() == PoolSnapshot(in_use=1, idle=0, waiting=0, connecting=0)
    assert (endpoint.counts.active, endpoint.counts.idle) == (1, 0)


def test_an_idle_connection_is_lent_at_once_the_last_used_first(endpoint: Endpoint) -> None:
    first, second = endpoint.ask(), endpoint.ask()
    endpoint.serve(first)
    endpoint.serve(second)
    assert (endpoint.counts.active, endpoint.counts.idle) == (0, 2)
    lent = endpoint.pool.lease(endpoint.ear(), 100.0)
    assert lent is second.streams[0]
    assert lent.reused
    assert endpoint.pool.lease(endpoint.ear(), 100.0) is first.streams[0]
    assert len(endpoint.made) == 2


def test_a_limit_may_be_as_large_as_the_rules_can_write_it(virtual: VirtualLoop) -> None:
    endpoint = Endpoint(virtual, PoolSettings(max_connections=999_999_999_999_999, max_lifetime=None))
    endpoint.serve(endpoint.ask())
    assert endpoint.pool.snapshot().idle == 1


def test_those_above_the_limit_wait_and_are_served_in_order(virtual: VirtualLoop) -> None:
    endpoint = Endpoint(virtual, PoolSettings(max_connections=2, max_lifetime=None))
    ears = [endpoint.ask(name) for name in "abcd"]
    assert endpoint.heard("leased") == ["a", "b"]
    assert endpoint.pool.snapshot() == PoolSnapshot(in_use=2, idle=0, waiting=2, connecting=0)
    endpoint.serve(ears[1])
    assert endpoint.heard("leased") == ["a", "b", "c"]
    ears[0].streams[0].cancel()
    virtual.turn()
    assert endpoint.heard("leased") == ["a", "b", "c", "d"]
    assert len(endpoint.made) == 3, "the place of a cancelled one is filled anew"


def test_a_wait_in_line_ends_when_a_connection_comes_free_and_not_when_it_was_made(virtual: VirtualLoop) -> None:
    endpoint = Endpoint(virtual, PoolSettings(max_connections=1, max_lifetime=None))
    began = virtual.time()
    first, second = endpoint.ask("a"), endpoint.ask("b")
    virtual.advance(3)
    now = virtual.time()
    assert first.streams[0].since(now) == pytest.approx(began, abs=0.01), "it was made for whoever has it"
    endpoint.serve(first)
    assert second.streams[0].since(now) == now


def test_nobody_overtakes_those_who_wait(virtual: VirtualLoop) -> None:
    endpoint = Endpoint(virtual, PoolSettings(max_connections=1, max_lifetime=None))
    first = endpoint.ask("a")
    endpoint.ask("b")
    stream = first.streams[0]
    stream.start(first, b"GET", REQUEST, NO_BODY, False)
    assert isinstance(stream, UpstreamConnection)
    stream.data_received(OK)
    assert endpoint.pool.lease(endpoint.ear("c"), 100.0) is None
    virtual.turn()
    assert endpoint.heard("leased") == ["a", "b"]


def test_waiting_past_the_deadline_is_pool_full(virtual: VirtualLoop) -> None:
    endpoint = Endpoint(virtual, PoolSettings(max_connections=1, max_lifetime=None))
    endpoint.ask("a")
    endpoint.ask("b", deadline=5.0)
    virtual.advance(4.9)
    assert endpoint.heard("lease_failed") == []
    virtual.advance(0.2)
    assert endpoint.calls[-1] == ("blease_failed", Cause.POOL_FULL)
    assert endpoint.pool.snapshot().waiting == 0


def test_who_asks_again_keeps_the_place_and_moves_the_deadline(virtual: VirtualLoop) -> None:
    endpoint = Endpoint(virtual, PoolSettings(max_connections=1, max_lifetime=None))
    ears = [endpoint.ask(name, deadline=5.0) for name in "abcd"]
    assert endpoint.pool.lease(ears[2], 20.0) is endpoint.pool.lease(ears[1], 20.0) is None
    virtual.advance(6.0)
    assert endpoint.heard("lease_failed") == ["d"]
    endpoint.serve(ears[0])
    assert endpoint.heard("leased") == ["a", "b"]


def test_connecting_past_the_deadline_is_a_connect_timeout(endpoint: Endpoint, virtual: VirtualLoop) -> None:
    endpoint.gate.clear()
    endpoint.ask(deadline=0.5)
    virtual.advance(0.6)
    assert endpoint.calls == [("lease_failed", Cause.CONNECT_TIMEOUT)]
    endpoint.gate.set()
    virtual.turn()
    assert endpoint.pool.snapshot() == PoolSnapshot(in_use=0, idle=1, waiting=0, connecting=0)


def test_a_connection_that_takes_too_long_is_a_connect_timeout(endpoint: Endpoint, virtual: VirtualLoop) -> None:
    endpoint.gate.clear()
    endpoint.ask()
    virtual.advance(1.1)
    assert endpoint.calls == [("lease_failed", Cause.CONNECT_TIMEOUT)]
    assert endpoint.results == ["connect_timeout"]


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (OSError(errno.ECONNREFUSED, "Connect call failed"), "10.0.0.1:80: Connection refused"),
        (OSError(errno.EHOSTUNREACH, ""), "10.0.0.1:80: No route to host"),
    ],
)
def test_a_refused_connection_says_what_the_system_said(endpoint: Endpoint, fault: OSError, sentence: str) -> None:
    endpoint.fault = fault
    ear = endpoint.ask()
    assert endpoint.calls == [("lease_failed", Cause.CONNECT_FAILURE)]
    assert ear.detail == sentence
    assert endpoint.results == ["connect_failure"]
    assert endpoint.pool.snapshot() == PoolSnapshot(0, 0, 0, 0)


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (errno.EMFILE, "Too many open files"),
        (errno.ENFILE, "Too many open files in system"),
        (errno.ENOMEM, "Cannot allocate memory"),
        (errno.ENOBUFS, "No buffer space available"),
        (errno.EADDRNOTAVAIL, "Cannot assign requested address"),
    ],
)
def test_what_we_lack_ourselves_is_no_failure_of_the_endpoint(endpoint: Endpoint, fault: int, sentence: str) -> None:
    endpoint.fault = OSError(fault, "")
    ear = endpoint.ask()
    assert endpoint.calls == [("lease_failed", Cause.POOL_FULL)]
    assert ear.detail == f"10.0.0.1:80: {sentence}"
    assert endpoint.results == ["pool_full"]


def test_a_bug_while_connecting_is_told_too(endpoint: Endpoint, caplog: pytest.LogCaptureFixture) -> None:
    endpoint.fault = RuntimeError("a bug")
    endpoint.ask()
    assert endpoint.calls == [("lease_failed", Cause.CONNECT_FAILURE)]
    assert "a bug" in caplog.text


def test_each_failure_is_told_to_one_and_the_others_are_tried_for(endpoint: Endpoint) -> None:
    endpoint.fault = ConnectionRefusedError(errno.ECONNREFUSED, "")
    ears = [endpoint.ear(name) for name in "abc"]
    for ear in ears:
        endpoint.pool.lease(ear, 100.0)
    endpoint.loop.turn()
    assert endpoint.heard("lease_failed") == ["a", "b", "c"]
    assert len(endpoint.dialled) == 3


def test_a_connection_dead_on_arrival_is_a_failure(endpoint: Endpoint) -> None:
    endpoint.dies = True
    ear = endpoint.ask()
    assert endpoint.calls == [("lease_failed", Cause.CONNECT_FAILURE)]
    assert "as soon as it was made" in ear.detail
    assert endpoint.pool.snapshot() == PoolSnapshot(0, 0, 0, 0)


def test_a_fresh_lease_gets_no_idle_connection(endpoint: Endpoint) -> None:
    endpoint.serve(endpoint.ask())
    ear = endpoint.ask("f", fresh=True)
    assert len(endpoint.made) == 2
    assert ear.streams[0] is endpoint.made[1]
    assert not ear.streams[0].reused
    assert endpoint.pool.snapshot().idle == 1


def test_a_fresh_lease_at_the_limit_takes_the_place_of_an_idle_one(virtual: VirtualLoop) -> None:
    endpoint = Endpoint(virtual, PoolSettings(max_connections=1, max_lifetime=None))
    endpoint.serve(endpoint.ask())
    ear = endpoint.ask("f", fresh=True)
    assert ear.streams[0] is endpoint.made[1]
    assert endpoint.pool.snapshot() == PoolSnapshot(1, 0, 0, 0)


def test_one_who_waits_for_a_fresh_one_keeps_nobody_from_an_idle_one(endpoint: Endpoint) -> None:
    endpoint.serve(endpoint.ask())
    endpoint.gate.clear()
    endpoint.ask("f", fresh=True)
    endpoint.ask("i")
    assert endpoint.heard("leased") == ["", "i"]
    endpoint.gate.set()
    endpoint.loop.turn()
    assert endpoint.heard("leased") == ["", "i", "f"]


def test_a_forgotten_receiver_hears_nothing_and_its_connection_serves_the_next(endpoint: Endpoint) -> None:
    endpoint.gate.clear()
    ear = endpoint.ask("a")
    endpoint.pool.forget(ear)
    endpoint.ask("b")
    endpoint.gate.set()
    endpoint.loop.turn()
    assert endpoint.heard("leased") == ["b"]
    assert len(endpoint.dialled) == 1


def test_a_connection_made_for_nobody_becomes_idle_and_may_go_stale(endpoint: Endpoint) -> None:
    endpoint.gate.clear()
    endpoint.pool.forget(endpoint.ask("a"))
    endpoint.gate.set()
    endpoint.loop.turn()
    assert endpoint.pool.snapshot() == PoolSnapshot(in_use=0, idle=1, waiting=0, connecting=0)
    lent = endpoint.pool.lease(endpoint.ear(), 100.0)
    assert lent is not None
    assert lent.reused


def test_idle_connections_are_closed_after_the_idle_timeout(virtual: VirtualLoop) -> None:
    endpoint = Endpoint(virtual, PoolSettings(idle_timeout=30, max_lifetime=None))
    endpoint.serve(endpoint.ask())
    virtual.advance(29)
    endpoint.serve(endpoint.ask())
    virtual.advance(29.9)
    assert endpoint.pool.snapshot().idle == 1
    virtual.advance(0.2)
    assert endpoint.pool.snapshot().idle == 0
    assert endpoint.made[0]._transport.is_closing()
    assert (endpoint.counts.active, endpoint.counts.idle) == (0, 0)


def test_no_connection_outlives_its_lifetime(virtual: VirtualLoop) -> None:
    endpoint = Endpoint(virtual, PoolSettings(idle_timeout=30, max_lifetime=50))
    for _ in range(2):
        endpoint.serve(endpoint.ask())
        virtual.advance(20)
    busy = endpoint.ask()
    assert len(endpoint.made) == 1
    virtual.advance(20)
    endpoint.serve(busy)
    assert endpoint.pool.snapshot() == PoolSnapshot(0, 0, 0, 0)
    assert endpoint.made[0]._transport.is_closing()


def test_an_idle_connection_that_ends_is_forgotten(endpoint: Endpoint) -> None:
    endpoint.serve(endpoint.ask())
    endpoint.made[0].eof_received()
    assert endpoint.pool.snapshot() == PoolSnapshot(0, 0, 0, 0)
    assert (endpoint.counts.active, endpoint.counts.idle) == (0, 0)


def test_opening_is_paced(virtual: VirtualLoop) -> None:
    endpoint = Endpoint(virtual, PoolSettings(max_connects_per_second=10, max_lifetime=None))
    for _ in range(30):
        endpoint.pool.lease(endpoint.ear(), 100.0)
    virtual.advance(1.95)
    assert len(endpoint.dialled) <= 30
    in_first_second = [when for when in endpoint.dialled if when < 1.0]
    assert 10 <= len(in_first_second) <= 20
    virtual.advance(1.0)
    assert len(endpoint.heard("leased")) == 30


def test_a_pace_below_one_a_second_is_kept(virtual: VirtualLoop) -> None:
    endpoint = Endpoint(virtual, PoolSettings(max_connects_per_second=0.5, max_lifetime=None))
    for _ in range(3):
        endpoint.pool.lease(endpoint.ear(), 100.0)
    virtual.advance(5)
    assert endpoint.dialled == pytest.approx([0.0, 2.0, 4.0], abs=0.1)


def test_one_held_back_by_the_pace_past_its_deadline_is_pool_full(virtual: VirtualLoop) -> None:
    endpoint = Endpoint(virtual, PoolSettings(max_connects_per_second=0.1, max_lifetime=None))
    endpoint.ask("a")
    endpoint.ask("b", deadline=1.0)
    virtual.advance(1.1)
    assert endpoint.calls[-1] == ("blease_failed", Cause.POOL_FULL)
    virtual.advance(20)
    assert len(endpoint.dialled) == 1, "nobody waits any more"


def test_a_closed_pool_lets_idle_ones_go_and_leased_ones_end(endpoint: Endpoint) -> None:
    busy = endpoint.ask("a")
    endpoint.serve(endpoint.ask("b"))
    endpoint.pool.close()
    assert endpoint.pool.snapshot() == PoolSnapshot(1, 0, 0, 0)
    endpoint.serve(busy)
    assert endpoint.pool.snapshot() == PoolSnapshot(0, 0, 0, 0)
    late = endpoint.ask("c")
    endpoint.serve(late)
    assert endpoint.calls[-1] == ("cresponse_end", b"")
    assert endpoint.pool.snapshot() == PoolSnapshot(0, 0, 0, 0)


def test_abort_fails_everybody(virtual: VirtualLoop) -> None:
    endpoint = Endpoint(virtual, PoolSettings(max_connections=1, max_lifetime=None))
    busy = endpoint.ask("a")
    busy.streams[0].start(busy, b"GET", REQUEST, NO_BODY, False)
    endpoint.ask("b")
    endpoint.pool.abort()
    assert ("blease_failed", Cause.CONNECT_FAILURE) in endpoint.calls
    assert ("aupstream_failed", Cause.RESET) in endpoint.calls
    assert endpoint.pool.snapshot() == PoolSnapshot(0, 0, 0, 0)


def test_a_lower_limit_is_kept_as_connections_come_back(endpoint: Endpoint) -> None:
    ears = [endpoint.ask(), endpoint.ask()]
    endpoint.pool.configure(PoolSettings(max_connections=1, max_lifetime=None), 1.0)
    endpoint.serve(ears[0])
    assert endpoint.pool.snapshot() == PoolSnapshot(1, 0, 0, 0)
    endpoint.serve(ears[1])
    assert endpoint.pool.snapshot() == PoolSnapshot(0, 1, 0, 0)


def test_a_receiver_that_fails_costs_the_next_nothing(endpoint: Endpoint, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise RuntimeError("a bug")

    endpoint.pool.lease(endpoint.ear("a", leased=fail), 100.0)
    endpoint.pool.lease(endpoint.ear("b"), 100.0)
    endpoint.loop.turn()
    assert endpoint.heard("leased") == ["a", "b"]
    assert "a bug" in caplog.text
    assert endpoint.pool.snapshot().in_use == 1


def test_receivers_that_cancel_when_they_are_lent_do_not_nest(virtual: VirtualLoop) -> None:
    endpoint = Endpoint(virtual, PoolSettings(max_connections=1, max_lifetime=None))
    ears: list[ResponseEar] = []
    for _ in range(2000):
        ear = endpoint.ear()
        ear.on["leased"] = lambda ear=ear: ear.streams[-1].cancel()
        ears.append(ear)
        endpoint.pool.lease(ear, 100.0)
    virtual.advance(1)
    assert len(endpoint.heard("leased")) == 2000
    assert endpoint.pool.snapshot() == PoolSnapshot(0, 0, 0, 0)


def test_after_another_way_is_set_what_was_made_in_the_old_one_carries_no_further_request(virtual: VirtualLoop) -> None:
    endpoint = Endpoint(virtual)
    idle, busy = endpoint.ask("idle"), endpoint.ask("busy")
    endpoint.serve(idle)
    again = Endpoint(virtual)
    endpoint.pool.reconnect(again.connect)
    assert endpoint.made[0].state == CLOSED
    assert endpoint.made[1].state != CLOSED, "what is in use is not cut"
    endpoint.serve(busy)
    assert endpoint.made[1].state == CLOSED
    assert endpoint.pool.snapshot() == PoolSnapshot(0, 0, 0, 0)
    assert (endpoint.counts.active, endpoint.counts.idle) == (0, 0)
    endpoint.ask("next")
    assert (len(endpoint.dialled), len(again.dialled)) == (2, 1)


@pytest.mark.parametrize("fault", [None, OSError(errno.ECONNREFUSED, "x")])
def test_a_connection_that_is_being_made_in_the_old_way_is_not_used(
    virtual: VirtualLoop, fault: OSError | None
) -> None:
    endpoint, again = Endpoint(virtual), Endpoint(virtual)
    endpoint.gate.clear()
    endpoint.fault = fault
    endpoint.ask("a")
    endpoint.pool.reconnect(again.connect)
    endpoint.gate.set()
    virtual.turn()
    assert endpoint.heard("leased") == ["a"]
    assert endpoint.heard("lease_failed") == []
    assert [connection.state for connection in endpoint.made] == ([] if fault else [CLOSED])
    assert endpoint.results == ["ok"], "of the new one"
    assert len(again.made) == 1
