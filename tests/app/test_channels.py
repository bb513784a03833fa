"""Pools for endpoints, and names that are looked up."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence

import pytest

from sidecar.app.channels import Channels, Ground
from sidecar.model.address import Address
from sidecar.rules.load import load_rules
from sidecar.runtime.build import prepare
from sidecar.runtime.generation import Runtime
from sidecar.telemetry.stats import Stats
from sidecar.transport.resolver import Resolver
from sidecar.transport.tasks import Tasks
from sidecar.transport.wheel import DeadlineWheel


def built(*urls: str, previous: Runtime | None = None, sets: Sequence[str] = ()) -> Runtime:
    loaded = load_rules(None, upstreams=urls, sets=sets)
    return prepare(loaded.rules, loaded.digest, previous, Stats(), random.Random(0))


@pytest.fixture
async def channels() -> AsyncIterator[Channels]:
    loop = asyncio.get_running_loop()
    tasks = Tasks(loop)
    wheel = DeadlineWheel(loop, time.monotonic)
    made = Channels(Ground(wheel, Stats().upstream_connections, tasks))
    yield made
    made.close()
    wheel.close()
    await tasks.close()


class Names:
    """The look-ups that were begun; a test gives their answers."""

    def __init__(self) -> None:
        self.begun: list[Resolver] = []
        self.stopped: list[Resolver] = []

    def answer(self, *hosts: str) -> None:
        self.begun[0]._changed(tuple(Address(host, 80) for host in hosts))


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    names = Names()

    def start(self: Resolver) -> None:
        names.begun.append(self)

    def stop(self: Resolver) -> None:
        names.stopped.append(self)

    monkeypatch.setattr(Resolver, "start", start)
    monkeypatch.setattr(Resolver, "stop", stop)
    return names


async def test_every_endpoint_gets_a_pool_and_is_available(channels: Channels, names: Names) -> None:
    runtime = built("http://127.0.0.1:1", "http://localhost:2", "http://[::1]:3")
    channels.attach(runtime)
    assert sorted(channels.pools) == sorted(endpoint.name for endpoint in runtime.endpoints())
    assert all(channels.is_available(endpoint) for endpoint in runtime.endpoints())
    assert names.begun == []


async def test_a_later_generation_finds_the_pools_of_the_one_before(channels: Channels) -> None:
    first = built("http://127.0.0.1:1")
    channels.attach(first)
    pool = channels.pools["app/127.0.0.1:1"]
    second = built("http://127.0.0.1:1", previous=first, sets=["upstreams.app.pool.max_connections=1"])
    channels.attach(second)
    assert channels.pools == {"app/127.0.0.1:1": pool}
    assert second.endpoints()[0].channel is pool


async def test_a_pool_is_let_go_with_its_endpoint(channels: Channels) -> None:
    runtime = built("http://127.0.0.1:1", "http://127.0.0.1:2")
    channels.attach(runtime)
    fewer = built("http://127.0.0.1:2", previous=runtime)
    channels.let_go(runtime.endpoints(), fewer)
    channels.let_go(runtime.endpoints(), fewer)
    assert list(channels.pools) == ["app/127.0.0.1:2"]


async def test_a_name_is_not_available_before_it_is_known(channels: Channels, names: Names) -> None:
    runtime = built("http://app.internal:80")
    channels.attach(runtime)
    assert not channels.is_available(runtime.endpoints()[0])
    names.answer("10.0.0.1")
    assert [channels.is_available(endpoint) for endpoint in runtime.endpoints()] == [True]


async def test_the_addresses_of_a_name_take_its_place_and_keep_its_authority(channels: Channels, names: Names) -> None:
    runtime = built("http://app.internal:80", "http://127.0.0.1:1")
    channels.attach(runtime)
    names.answer("10.0.0.1", "fd00::1")
    told = [(endpoint.name, endpoint.authority) for endpoint in runtime.endpoints()]
    assert told == [
        ("app/10.0.0.1:80", b"app.internal"),
        ("app/[fd00::1]:80", b"app.internal"),
        ("app/127.0.0.1:1", b"127.0.0.1:1"),
    ]
    assert sorted(channels.pools) == sorted(name for name, _ in told)


async def test_a_name_without_an_address_leaves_its_upstream_without_an_endpoint(
    channels: Channels, names: Names
) -> None:
    runtime = built("http://app.internal:80")
    channels.attach(runtime)
    names.answer()
    assert list(runtime.endpoints()) == []
    names.answer("10.0.0.1")
    assert [str(endpoint.address) for endpoint in runtime.endpoints()] == ["10.0.0.1:80"]


async def test_an_address_that_stays_keeps_its_pool_and_one_that_goes_loses_it(
    channels: Channels, names: Names
) -> None:
    runtime = built("http://app.internal:80")
    channels.attach(runtime)
    names.answer("10.0.0.1", "10.0.0.2")
    kept = channels.pools["app/10.0.0.2:80"]
    names.answer("10.0.0.2", "10.0.0.3")
    assert sorted(channels.pools) == ["app/10.0.0.2:80", "app/10.0.0.3:80"]
    assert channels.pools["app/10.0.0.2:80"] is kept


async def test_an_address_that_is_written_and_also_found_behind_a_name_keeps_its_pool(
    channels: Channels, names: Names
) -> None:
    runtime = built("http://10.0.0.1:80", "http://app.internal:80")
    channels.attach(runtime)
    pool = channels.pools["app/10.0.0.1:80"]
    names.answer("10.0.0.1")
    assert channels.pools == {"app/10.0.0.1:80": pool}
    assert [endpoint.channel for endpoint in runtime.endpoints()] == [pool]


async def test_closing_ends_the_looking_and_every_pool(channels: Channels, names: Names) -> None:
    channels.attach(built("http://app.internal:80"))
    channels.close()
    assert (len(names.stopped), channels.pools) == (1, {})


async def test_a_name_that_a_reload_leaves_in_is_looked_up_on_and_its_addresses_reach_the_new_generation(
    channels: Channels, names: Names
) -> None:
    first = built("http://app.internal:80")
    channels.attach(first)
    names.answer("10.0.0.1")
    second = built("http://app.internal:80", previous=first, sets=["upstreams.app.connect_timeout=2s"])
    channels.attach(second)
    channels.let_go(first.endpoints(), second)
    assert (len(names.begun), names.stopped) == (1, [])
    names.answer("10.0.0.1", "10.0.0.2")
    assert [str(endpoint.address) for endpoint in second.endpoints()] == ["10.0.0.1:80", "10.0.0.2:80"]
    assert sorted(channels.pools) == ["app/10.0.0.1:80", "app/10.0.0.2:80"]


async def test_a_name_that_leads_nowhere_does_so_after_a_reload_too(channels: Channels, names: Names) -> None:
    first = built("http://app.internal:80")
    channels.attach(first)
    names.answer()
    second = built("http://app.internal:80", previous=first)
    channels.attach(second)
    assert second.endpoints() == ()


async def test_a_name_that_a_reload_takes_out_is_looked_up_no_more(channels: Channels, names: Names) -> None:
    first = built("http://app.internal:80", "http://10.0.0.9:80")
    channels.attach(first)
    names.answer("10.0.0.1")
    gone = first.endpoints()
    second = built("http://10.0.0.9:80", previous=first)
    channels.attach(second)
    channels.let_go(gone, second)
    assert names.stopped == names.begun
    assert list(channels.pools) == ["app/10.0.0.9:80"]


async def test_another_interval_asks_anew(channels: Channels, names: Names) -> None:
    first = built("http://app.internal:80")
    channels.attach(first)
    names.answer("10.0.0.1")
    second = built("http://app.internal:80", previous=first, sets=["upstreams.app.resolve=5s"])
    channels.attach(second)
    assert (len(names.begun), len(names.stopped)) == (2, 1)
    assert [str(endpoint.address) for endpoint in second.endpoints()] == ["10.0.0.1:80"]


async def test_whoever_watches_endpoints_is_told_when_a_name_moves(names: Names) -> None:
    loop = asyncio.get_running_loop()
    tasks, wheel, told = Tasks(loop), DeadlineWheel(loop, time.monotonic), []
    channels = Channels(Ground(wheel, Stats().upstream_connections, tasks), lambda: told.append("moved"))
    channels.attach(built("http://app.internal:80"))
    assert told == []
    names.answer("10.0.0.1")
    assert told == ["moved"]
    channels.close()
    wheel.close()
    await tasks.close()
