"""Accepting pauses before descriptors run out, and begins again as connections end."""

from __future__ import annotations

import asyncio
import os
import resource
from collections.abc import Callable
from typing import Any, cast

import pytest

from sidecar.app import descriptors
from sidecar.app.descriptors import Descriptors, raise_limit
from sidecar.telemetry.stats import Stats
from sidecar.transport.registry import Registry


class Listening:
    """A listener without sockets."""

    def __init__(self) -> None:
        self.registry = Registry()
        self.is_paused = False
        self.asked_to_give_way = 0
        self.on_accept: Callable[[], None] = lambda: None

    def pause(self) -> None:
        self.is_paused = True

    def resume(self) -> None:
        self.is_paused = False

    def give_way(self) -> None:
        self.asked_to_give_way += 1


class World:
    """One process: its listeners, the connections they hold, and what it told."""

    def __init__(self, limit: int = 200, listeners: int = 1, most_upstream: int = 1000) -> None:
        self.stats = Stats()
        self.listeners = [Listening() for _ in range(listeners)]
        self.crowded: list[bool] = []
        loop = asyncio.get_running_loop()
        told = self.crowded.append
        self.guard = Descriptors(cast(Any, self.listeners), self.stats, told, loop, limit, lambda: most_upstream)
        self.guard.budget = 40
        self.guard.look()
        self.open: list[tuple[Listening, Any]] = []

    async def connect(self, count: int, place: int = 0) -> None:
        for _ in range(count):
            listener = self.listeners[place]
            listener.on_accept()
            connection: Any = object()
            listener.registry.add(connection)
            self.stats.downstream_connections.active += 1
            self.open.append((listener, connection))
        await asyncio.sleep(0)

    async def end(self, count: int) -> None:
        for _ in range(count):
            listener, connection = self.open.pop()
            self.stats.downstream_connections.active -= 1
            listener.registry.discard(connection)
        await asyncio.sleep(0)

    @property
    def told(self) -> list[str]:
        return [event.text for event in self.stats.events.recent]


@pytest.fixture(autouse=True)
def nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the test's own process has open is not this world's."""
    monkeypatch.setattr(descriptors, "_lowest_free", lambda: (3, ""))


async def test_each_client_needs_two_and_none_is_accepted_past_the_budget() -> None:
    world = World()
    await world.connect(20)
    assert (world.guard.used, world.guard.is_paused) == (40, False)
    await world.connect(1)
    assert world.guard.is_paused
    assert world.listeners[0].is_paused
    assert (world.stats.accepting, world.stats.accept_pauses) == (False, 1)
    assert world.crowded == [True]
    assert world.told == ["new connections wait: all 40 descriptors for connections are in use"]


async def test_clients_need_no_more_connections_to_endpoints_than_pools_have() -> None:
    world = World(most_upstream=5)
    await world.connect(35)
    assert (world.guard.used, world.guard.is_paused) == (40, False)
    await world.connect(1)
    assert world.guard.is_paused


async def test_while_it_is_paused_those_that_carry_nothing_give_way() -> None:
    world = World()
    await world.connect(20)
    world.guard.look()
    assert world.listeners[0].asked_to_give_way == 0
    await world.connect(1)
    world.guard.look()
    assert world.listeners[0].asked_to_give_way == 1


async def test_more_connections_to_endpoints_than_clients_count_as_they_are() -> None:
    world = World()
    world.stats.upstream_connections.idle = 25
    await world.connect(15)
    assert (world.guard.used, world.guard.is_paused) == (40, False)
    await world.connect(1)
    assert world.guard.is_paused


async def test_it_pauses_after_the_accept_and_not_within() -> None:
    world = World()
    await world.connect(20)
    world.listeners[0].on_accept()
    world.listeners[0].on_accept()
    assert not world.listeners[0].is_paused, "closing a server while it accepts would cut what it accepts"
    await asyncio.sleep(0)
    assert (world.listeners[0].is_paused, world.stats.accept_pauses) == (True, 1)


async def test_it_accepts_again_once_some_have_ended_and_not_with_the_first() -> None:
    world = World(listeners=2)
    await world.connect(11)
    await world.connect(10, place=1)
    assert [listener.is_paused for listener in world.listeners] == [True, True]
    await world.end(1)
    assert [listener.is_paused for listener in world.listeners] == [True, True]
    await world.end(1)
    assert [listener.is_paused for listener in world.listeners] == [False, False]
    assert world.stats.accepting is True


async def test_a_rush_is_told_once_and_its_end_after_a_calm_while() -> None:
    world = World()
    for _ in range(5):
        await world.connect(21 - len(world.open))
        await world.end(6)
        world.guard.look()
    assert world.stats.accept_pauses == 5
    assert len(world.told) == 1
    for _ in range(40):
        world.guard.look()
    assert world.told[1:] == ["new connections are accepted as they come"]
    assert world.crowded == [True, False]


async def test_with_the_last_connection_it_accepts_again_whatever_the_budget() -> None:
    world = World()
    world.guard.budget = 2
    await world.connect(2)
    assert world.guard.is_paused
    await world.end(2)
    assert not world.guard.is_paused


async def test_a_look_finds_room_that_no_client_told_of() -> None:
    world = World()
    world.stats.upstream_connections.idle = 40
    await world.connect(1)
    assert world.guard.is_paused
    world.guard.look()
    assert world.guard.is_paused
    world.stats.upstream_connections.idle = 0
    world.guard.look()
    assert not world.guard.is_paused


async def test_none_left_at_all_pauses_until_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    with monkeypatch.context() as patched:
        patched.setattr(descriptors, "_lowest_free", lambda: (0, "too many open files in system"))
        world.guard.look()
        world.guard.look()
        assert world.guard.is_paused
        assert world.stats.accept_pauses == 1
        assert world.told == ["new connections wait: too many open files in system"]
    world.guard.look()
    assert not world.guard.is_paused


async def test_what_others_use_up_is_noticed_by_the_numbers_that_are_given_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    await world.connect(1)
    with monkeypatch.context() as patched:
        patched.setattr(descriptors, "_lowest_free", lambda: (190, ""))
        patched.setattr(os, "listdir", lambda _: [""] * 191)
        world.guard.look()
    assert world.guard.budget == 2
    assert world.told == ["new connections wait: others in this process use up its descriptors"]


async def test_a_listener_that_could_not_resume_is_asked_again() -> None:
    world = World()
    world.listeners[0].is_paused = True
    world.guard.look()
    assert not world.listeners[0].is_paused


async def test_the_budget_is_what_is_neither_reserved_nor_open() -> None:
    stats = Stats()
    loop = asyncio.get_running_loop()
    open_now = len(os.listdir("/proc/self/fd")) - 1
    guard = Descriptors([], stats, lambda _: None, loop, limit=1000)
    assert guard.budget == 1000 - 64 - open_now
    stats.upstream_connections.idle = 1  # one of those that are open
    guard.count()
    assert guard.budget == 1000 - 64 - open_now + 1
    assert Descriptors([], stats, lambda _: None, loop, limit=20).budget == 2
    assert Descriptors([], stats, lambda _: None, loop, limit=1 << 20).budget == (1 << 20) - 1024 - open_now + 1
    assert Descriptors([], stats, lambda _: None, loop).limit == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert guard.status() == {
        "accepting": True,
        "pauses": 0,
        "descriptors": {"limit": 1000, "for_connections": guard.budget, "needed": 1},
    }


def test_the_limit_is_raised_as_far_as_it_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    set_to: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 4096))
    monkeypatch.setattr(resource, "setrlimit", lambda _, both: set_to.append(both))
    assert raise_limit() == 4096
    assert set_to == [(4096, 4096)]

    def refused(*_: object) -> None:
        raise ValueError("not allowed")

    monkeypatch.setattr(resource, "setrlimit", refused)
    assert raise_limit() == 1024
