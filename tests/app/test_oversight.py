"""What the admin address is told of a running proxy."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from sidecar.admin.subject import Subject
from sidecar.app.lifecycle import Phase
from tests.doubles.backend import Backend
from tests.doubles.running import RunningProxy, rules_text, running


@pytest.fixture
async def serving() -> AsyncIterator[RunningProxy]:
    async with Backend() as backend, running(backend.url, sets=["drain.announce=0s"]) as proxy:
        yield proxy


async def test_it_is_what_admin_asks_for(serving: RunningProxy) -> None:
    subject: Subject = serving.proxy.oversight
    assert [condition.name for condition in subject.conditions()] == ["rules", "serving", "upstream app"]


async def test_ready_ends_with_the_drain_and_having_been_ready_does_not(serving: RunningProxy) -> None:
    oversight = serving.proxy.oversight
    assert all(condition.holds for condition in oversight.conditions())
    oversight.start_drain("test")
    assert [one.name for one in oversight.conditions() if not one.holds] == ["serving"]
    assert oversight.has_been_ready


async def test_started_is_true_without_anybody_having_asked_for_readiness(serving: RunningProxy) -> None:
    assert serving.proxy.oversight.has_been_ready


async def test_a_name_that_is_not_known_yet_is_not_ready() -> None:
    async with running("http://127.0.0.1:1", "http://name.invalid:2", sets=["upstreams.app.resolve=0"]) as proxy:
        (told,) = [one for one in proxy.proxy.oversight.conditions() if one.name == "upstream app"]
    assert (told.holds, told.detail) == (True, "1 of 2 endpoints available")


async def test_status_tells_everything_that_moves(serving: RunningProxy) -> None:
    async with serving.peer() as peer:
        await peer.get("/")
        told = cast("dict[str, Any]", serving.proxy.oversight.status())
    assert (told["phase"], told["not_ready"], told["rules"]["generation"]) == ("serving", [], 1)
    assert told["rules"]["hash"] == serving.proxy.loaded.digest
    assert told["routes"][0]["statuses"] == {"2xx": 1}
    assert told["upstreams"][0]["endpoints"][0]["pool"]["idle"] == 1
    assert told["listeners"][0]["address"] == f"127.0.0.1:{serving.port}"
    assert told["connections"]["downstream"] == {"active": 0, "idle": 1}
    assert told["drain"]["stage"] == "none"


async def test_status_is_told_while_draining(serving: RunningProxy) -> None:
    proxy = serving.proxy
    proxy.oversight.start_drain("test")
    await proxy.drain.run()
    told = cast("dict[str, Any]", proxy.oversight.status())
    assert (told["phase"], told["drain"]["why"], told["drain"]["stage"]) == ("closing", "test", "closing")
    assert told["not_ready"] == ["serving: closing"]


async def test_the_effective_rules_hide_their_secrets() -> None:
    text = rules_text("http://127.0.0.1:1").replace(
        "admin: {address: '127.0.0.1:0'}", "admin: {address: '127.0.0.1:0', token: hunter2}"
    )
    async with running(rules=text) as proxy:
        told = str(proxy.proxy.oversight.effective_rules())
    assert "hunter2" not in told
    assert "***" in told


async def test_metrics_follow_the_drain_and_the_endpoints(serving: RunningProxy) -> None:
    oversight = serving.proxy.oversight
    text = oversight.exposition("")[0].decode()
    assert "sidecar_drain_phase 0.0" in text
    assert "sidecar_endpoint_available{" in text
    oversight.start_drain("test")
    assert "sidecar_drain_phase 1.0" in oversight.exposition("")[0].decode()


async def test_waiting_for_the_drain_ends_with_it_or_with_time(serving: RunningProxy) -> None:
    oversight = serving.proxy.oversight
    assert not await oversight.drained(0.01)
    waiting = asyncio.ensure_future(oversight.drained(60))
    serving.proxy.lifecycle.advance(Phase.CLOSING)
    assert await waiting
