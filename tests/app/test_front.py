"""Every listener as one: what a drain acts on."""

import asyncio
import time
from math import inf
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sidecar.app.front import Front
from sidecar.proxy.environment import Environment
from sidecar.telemetry.stats import Stats
from sidecar.transport.listener import Listener
from sidecar.transport.registry import Registry


class FakeConnection:
    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.idle = False
        registry.add(self)

    def close_when_idle(self) -> None:
        if self.idle:
            self.registry.discard(self)

    def abort(self) -> None:
        self.registry.discard(self)


async def listener() -> Listener:
    return Listener("public", [], cast(Any, None), Registry(), asyncio.get_running_loop())


@pytest.fixture
def environment() -> Environment:
    return cast(Environment, SimpleNamespace(draining=False, clock=time.monotonic, limit=inf))


@pytest.fixture
def front(environment: Environment) -> Front:
    return Front(environment, Stats())


async def test_announcing_has_every_answer_close_its_connection(front: Front, environment: Environment) -> None:
    front.announce()
    assert environment.draining


async def test_to_stop_accepting_closes_the_idle_and_leaves_the_busy(front: Front) -> None:
    front.listeners.append(await listener())
    idle, _busy = FakeConnection(front.listeners[0].registry), FakeConnection(front.listeners[0].registry)
    idle.idle = True
    front.stop_accepting()
    assert front.busy() == 1


async def test_it_is_quiet_when_the_last_connection_of_the_last_listener_is_gone(front: Front) -> None:
    front.listeners += [await listener(), await listener()]
    connections = [FakeConnection(one.registry) for one in front.listeners]
    told: list[bool] = []
    front.when_quiet(lambda: told.append(True))
    connections[0].abort()
    assert told == []
    connections[1].abort()
    assert told == [True]


async def test_without_a_listener_it_is_quiet_at_once(front: Front) -> None:
    told: list[bool] = []
    front.when_quiet(lambda: told.append(True))
    assert told == [True]


async def test_a_cut_counts_requests_and_not_connections(front: Front) -> None:
    stats = Stats()
    front = Front(cast(Environment, SimpleNamespace(draining=False)), stats)
    front.listeners.append(await listener())
    for _ in range(3):
        FakeConnection(front.listeners[0].registry)
    stats.route("a").started()
    stats.unrouted.started()
    assert front.cut() == 2
    assert front.busy() == 0


async def test_waiting_for_the_end_ends_when_it_has_come_and_when_time_is_up(front: Front) -> None:
    front.listeners.append(await listener())
    connection = FakeConnection(front.listeners[0].registry)
    await front.gone(0.01)
    assert front.busy() == 1
    connection.abort()
    async with asyncio.timeout(5):
        await front.gone(3600)
