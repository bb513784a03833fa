"""Where requests wait for a connection, those that clients hold up give way, the longest first. In virtual time."""

from __future__ import annotations

import pytest

from sidecar.model.reason import Reason
from sidecar.transport.announcing import AnnouncingPool
from sidecar.transport.settings import PoolSettings
from sidecar.wire.message import NO_BODY
from tests.transport.doubles import ResponseEar, VirtualLoop
from tests.transport.pools import REQUEST, Endpoint

BEGUN = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf"


class Hall:
    """A pool whose connections carry answers that have begun; `cut` are those whose exchanges were ended."""

    def __init__(self, loop: VirtualLoop, kind: type[AnnouncingPool] | None = None, size: int = 2) -> None:
        settings = PoolSettings(max_connections=size, max_lifetime=None)
        if kind is None:
            self.endpoint = Endpoint(loop, settings)
        else:
            self.endpoint = Endpoint(loop, settings, kind=lambda *terms: AnnouncingPool(*terms, version="v1"))
        self.loop = loop
        self.cut: list[str] = []
        self.ears = [self.begun("ab"[number] if size == 2 else f"{number}:") for number in range(size)]

    def begun(self, name: str) -> ResponseEar:
        ear = self.endpoint.ask(name)
        stream = ear.streams[-1]
        stream.start(ear, b"GET", REQUEST, NO_BODY, False)
        stream.data_received(BEGUN)  # type: ignore[attr-defined]

        def ended(reason: Reason, detail: str) -> None:
            assert reason is Reason.OVERLOADED
            assert "others waited" in detail
            self.cut.append(name)
            stream.cancel()

        ear.request_broken = ended  # type: ignore[method-assign]
        return ear

    def holds_up(self, number: int) -> None:
        self.endpoint.wheel.now()
        self.ears[number].streams[-1].pause()


@pytest.fixture
def hall(virtual: VirtualLoop) -> Hall:
    return Hall(virtual)


def test_the_one_held_up_the_longest_gives_way_to_one_who_waits(hall: Hall) -> None:
    hall.holds_up(1)
    hall.loop.advance(1)
    hall.holds_up(0)
    hall.loop.advance(6)
    hall.endpoint.ask("c")
    assert hall.cut == []
    hall.loop.advance(0.2)
    assert hall.cut == ["b"]
    assert hall.endpoint.heard("leased") == ["a", "b", "c"]
    hall.loop.advance(60)
    assert hall.cut == ["b"], "nobody waits any more"


def test_nobody_is_cut_before_five_seconds_and_then_at_once(hall: Hall) -> None:
    hall.endpoint.ask("c")
    hall.loop.advance(2)
    hall.holds_up(0)
    hall.loop.advance(4.9)
    assert hall.cut == []
    hall.loop.advance(5.2)
    assert hall.cut == ["a"]


def test_a_client_that_takes_something_now_and_then_is_not_held_up_for_long(hall: Hall) -> None:
    hall.endpoint.ask("c")
    for _ in range(4):
        hall.holds_up(0)
        hall.loop.advance(4)
        hall.ears[0].streams[-1].resume()
    assert hall.cut == []


def test_who_is_waited_for_by_an_endpoint_is_not_cut(hall: Hall) -> None:
    hall.endpoint.ask("c")
    hall.loop.advance(60)
    assert hall.cut == []


def test_nobody_is_cut_while_nobody_waits(hall: Hall) -> None:
    hall.holds_up(0)
    hall.loop.advance(60)
    assert hall.cut == []


def test_as_many_give_way_as_wait(hall: Hall) -> None:
    hall.holds_up(0)
    hall.holds_up(1)
    hall.loop.advance(6)
    hall.endpoint.ask("c")
    hall.endpoint.ask("d")
    hall.loop.advance(0.2)
    assert sorted(hall.cut) == ["a", "b"]
    assert hall.endpoint.heard("leased") == ["a", "b", "c", "d"]


def test_a_pool_that_announces_its_clients_has_it_too(virtual: VirtualLoop) -> None:
    hall = Hall(virtual, AnnouncingPool)
    hall.holds_up(0)
    hall.loop.advance(6)
    hall.endpoint.ask("c")
    hall.loop.advance(0.2)
    assert hall.cut == ["a"]


def test_hundreds_give_way_little_by_little(virtual: VirtualLoop) -> None:
    hall = Hall(virtual, size=100)
    for number in range(100):
        hall.holds_up(number)
    virtual.advance(6)
    for _ in range(100):
        hall.endpoint.ask("x")
    while not hall.cut:
        virtual.advance(0.01)
    assert len(hall.cut) == 32
    virtual.advance(1)
    assert len(hall.cut) == 100
