"""A quarter of a pool is for requests that are here: slow bodies have at most the rest. In virtual time."""

from __future__ import annotations

import pytest

from sidecar.model.outcome import Cause
from sidecar.transport.announcing import AnnouncingPool
from sidecar.transport.pool import EndpointPool
from sidecar.transport.settings import PoolSettings
from tests.transport.doubles import ResponseEar, VirtualLoop
from tests.transport.pools import Endpoint

FOUR = PoolSettings(max_connections=4, max_lifetime=None)


@pytest.fixture
def crowded(virtual: VirtualLoop) -> Endpoint:
    """Three of four connections carry requests whose bodies do not come, and one more such waits: `waiting`."""
    endpoint = Endpoint(virtual, FOUR)
    for name in "abc":
        endpoint.ask(name, whole=False)
    return endpoint


@pytest.fixture
def waiting(crowded: Endpoint) -> ResponseEar:
    """It."""
    ear = crowded.ask("d", whole=False)
    assert crowded.heard("leased") == ["a", "b", "c"]
    assert crowded.pool.snapshot().waiting == 1
    return ear


def test_requests_that_are_here_are_served_past_those_that_are_not(crowded: Endpoint, waiting: ResponseEar) -> None:
    for _ in range(3):
        crowded.serve(crowded.ask("whole"))
    assert crowded.heard("leased") == ["a", "b", "c", "whole"]
    assert len(crowded.made) == 4
    assert crowded.pool.snapshot().idle == 1, "and still kept free of those whose bodies do not come"


def test_one_that_is_complete_meanwhile_is_served(crowded: Endpoint, waiting: ResponseEar) -> None:
    assert crowded.pool.lease(waiting, 100.0) is None
    crowded.loop.turn()
    assert crowded.heard("leased") == ["a", "b", "c", "d"]
    assert crowded.pool.snapshot().waiting == 0


def test_one_that_is_complete_meanwhile_has_an_idle_connection_at_once(crowded: Endpoint, waiting: ResponseEar) -> None:
    crowded.serve(crowded.ask("whole"))
    assert crowded.pool.lease(waiting, 100.0) is crowded.made[-1]
    assert crowded.pool.snapshot().waiting == 0
    crowded.loop.advance(200)
    assert crowded.heard("lease_failed") == [], "it waits no longer"


@pytest.mark.parametrize("end", ["served", "lost"])
def test_the_next_one_is_let_in_when_a_place_comes_free(virtual: VirtualLoop, end: str) -> None:
    endpoint = Endpoint(virtual, FOUR)
    first = endpoint.ask("a", whole=False)
    for name in "bcde":
        endpoint.ask(name, whole=False)
    if end == "served":
        endpoint.serve(first)
    else:
        first.streams[0].cancel()
        virtual.turn()
    assert endpoint.heard("leased") == ["a", "b", "c", "d"]
    assert endpoint.pool.snapshot().waiting == 1


def test_more_places_let_more_in(crowded: Endpoint, waiting: ResponseEar) -> None:
    crowded.pool.configure(PoolSettings(max_connections=8, max_lifetime=None), 1.0)
    crowded.loop.turn()
    assert crowded.heard("leased") == ["a", "b", "c", "d"]


def test_waiting_ends_with_its_deadline(virtual: VirtualLoop) -> None:
    endpoint = Endpoint(virtual, FOUR)
    for name in "abcd":
        endpoint.ask(name, deadline=5.0, whole=False)
    virtual.advance(6)
    assert endpoint.calls[-1] == ("dlease_failed", Cause.POOL_FULL)
    assert endpoint.pool.snapshot().waiting == 0


def test_who_leaves_waits_no_longer(crowded: Endpoint, waiting: ResponseEar) -> None:
    crowded.pool.forget(waiting)
    assert crowded.pool.snapshot().waiting == 0


def test_closing_for_good_refuses_those_that_wait_too(crowded: Endpoint, waiting: ResponseEar) -> None:
    crowded.pool.abort()
    assert crowded.pool.snapshot().waiting == 0


@pytest.mark.parametrize("most", [1, 2, 3])
def test_a_small_pool_keeps_no_place_free(virtual: VirtualLoop, most: int) -> None:
    endpoint = Endpoint(virtual, PoolSettings(max_connections=most, max_lifetime=None))
    for _ in range(most + 1):
        endpoint.ask("x", whole=False)
    assert len(endpoint.heard("leased")) == most


def test_a_pool_that_announces_its_clients_lets_the_next_in_too(virtual: VirtualLoop) -> None:
    endpoint = Endpoint(virtual, FOUR, kind=lambda *terms: AnnouncingPool(*terms, version="v1"))
    ears = [endpoint.ask(name, whole=False) for name in "abcd"]
    assert endpoint.heard("leased") == ["a", "b", "c"]
    endpoint.serve(ears[0])
    virtual.turn()
    assert endpoint.heard("leased") == ["a", "b", "c", "d"]


@pytest.mark.parametrize("announces", [False, True])
@pytest.mark.parametrize("end", ["refused", "forgotten"])
def test_the_next_one_is_let_in_when_connections_are_not_made(virtual: VirtualLoop, end: str, announces: bool) -> None:
    kind = (lambda *terms: AnnouncingPool(*terms, version="v1")) if announces else EndpointPool
    endpoint = Endpoint(virtual, FOUR, kind=kind)
    endpoint.gate.clear()
    first = [endpoint.ask(name, whole=False) for name in "abc"]
    endpoint.ask("d", whole=False)
    if end == "forgotten":
        for ear in first:
            endpoint.pool.forget(ear)
    endpoint.fault = ConnectionRefusedError(111, "Connection refused")
    endpoint.gate.set()
    virtual.turn()
    assert "d" in endpoint.heard("lease_failed"), "it has had its own try"
    assert endpoint.pool.snapshot().waiting == 0
