"""Every listener as one: what a drain acts on."""

import asyncio
import time
from math import inf
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sidecar.app.drain import Stage
from sidecar.app.front import Front
from sidecar.proxy.environment import Environment
from sidecar.telemetry.stats import Stats
from sidecar.transport.listener import Listener
from sidecar.transport.registry import NOTHING, RAW_TUNNEL, REQUEST, WEBSOCKET, Registry


class FakeConnection:
    def __init__(self, registry: Registry, carried: int = NOTHING, *, ends: bool = True) -> None:
        self.registry = registry
        self.idle = False
        self.carried = carried
        self.ends = ends
        self.told = 0
        registry.add(self)

    def carries(self) -> int:
        return self.carried

    def leave_websocket(self) -> None:
        self.told += 1

    def end_now(self) -> int:
        if self.ends:
            self.registry.discard(self)
        return int(self.carried != NOTHING)

    def close_when_idle(self) -> None:
        if self.idle:
            self.registry.discard(self)

    def abort(self) -> None:
        self.registry.discard(self)

    def waits(self) -> tuple[int, float] | None:
        return None

    def give_way(self) -> bool:
        return False


async def listener() -> Listener:
    return Listener("public", [], cast(Any, None), Registry(), asyncio.get_running_loop())


@pytest.fixture
def environment() -> Environment:
    return cast(Environment, SimpleNamespace(draining=False, clock=time.monotonic, limit=inf))


@pytest.fixture
def front(environment: Environment) -> Front:
    return Front(environment, Stats())


async def test_announcing_has_every_answer_close_its_connection(front: Front, environment: Environment) -> None:
    front.announce(1_700_000_030.0)
    assert environment.draining


async def test_the_end_of_a_drain_is_a_metric_once_it_is_announced(environment: Environment) -> None:
    stats = Stats()
    front = Front(environment, stats)
    assert stats.drain_deadline is None
    front.announce(1_700_000_030.0)
    assert stats.drain_deadline == 1_700_000_030.0


async def test_to_stop_accepting_lets_the_accepted_live_and_to_close_the_idle_the_busy(front: Front) -> None:
    front.listeners.append(await listener())
    registry = front.listeners[0].registry
    idle, _busy = FakeConnection(registry), FakeConnection(registry)
    idle.idle = True
    front.stop_accepting()
    assert len(registry) == 2
    front.close_idle()
    assert len(registry) == 1


async def test_what_is_in_flight_is_counted_by_kind_over_all_listeners(front: Front) -> None:
    front.listeners += [await listener(), await listener()]
    one, other = (each.registry for each in front.listeners)
    for registry, carried in (
        (one, NOTHING),
        (one, REQUEST),
        (other, REQUEST),
        (other, RAW_TUNNEL),
        (other, WEBSOCKET),
    ):
        FakeConnection(registry, carried)
    assert front.in_flight() == {"requests": 2, "tunnels": 1, "websockets": 1}


async def test_every_websocket_is_told(front: Front) -> None:
    front.listeners += [await listener(), await listener()]
    connections = [FakeConnection(one.registry, WEBSOCKET) for one in front.listeners]
    front.leave_websockets()
    assert [connection.told for connection in connections] == [1, 1]


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


async def test_a_cut_counts_requests_and_tunnels_and_not_connections(front: Front) -> None:
    front.listeners.append(await listener())
    registry = front.listeners[0].registry
    for carried in (NOTHING, REQUEST, RAW_TUNNEL):
        FakeConnection(registry, carried)
    assert front.cut() == 2
    assert len(registry) == 0


async def test_it_can_be_ended_at_once(front: Front) -> None:
    told: list[bool] = []
    front.hurry(lambda: told.append(True))
    assert told == [True]


async def test_waiting_for_the_end_ends_when_it_has_come(front: Front) -> None:
    front.listeners.append(await listener())
    connection = FakeConnection(front.listeners[0].registry, ends=False)
    waiting = asyncio.ensure_future(front.gone(3600))
    await asyncio.sleep(0)
    assert not waiting.done()
    connection.abort()
    async with asyncio.timeout(5):
        await waiting


async def test_who_has_not_ended_when_time_is_up_is_cut(front: Front) -> None:
    front.listeners.append(await listener())
    registry = front.listeners[0].registry
    FakeConnection(registry, REQUEST, ends=False)
    front.cut()
    assert len(registry) == 1
    await front.gone(0.01)
    assert len(registry) == 0


async def test_each_stage_is_a_metric_and_an_event(environment: Environment) -> None:
    stats = Stats()
    front = Front(environment, stats)
    front.report(Stage.ANNOUNCED, "draining")
    assert (stats.drain_phase, stats.drain_cut_requests) == (1, 0)
    front.report(Stage.CLOSING, "cut off", cut=2)
    assert (stats.drain_phase, stats.drain_cut_requests) == (3, 2)
    told = [event.as_mapping() for event in stats.events.recent]
    assert [(one["kind"], one["subject"], one["text"], one["fields"]) for one in told] == [
        ("drain", "instance", "draining", {"stage": "announced", "cut": 0}),
        ("drain", "instance", "cut off", {"stage": "closing", "cut": 2}),
    ]
