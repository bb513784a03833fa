"""What the admin address is told of a running proxy."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sidecar.admin.subject import Subject
from sidecar.app.lifecycle import Phase
from sidecar.debug.terms import LoopTerms, NoSuchWorkerError, ProfileTerms
from sidecar.model.outcome import Outcome
from sidecar.policies.circuit_breaker import CircuitBreaker, CircuitBreakerSpec
from sidecar.policies.ejection import Ejection
from sidecar.policies.health_gate import EjectionSpec
from sidecar.policies.slow_start import NEWCOMER, STEADY
from sidecar.runtime.generation import Runtime
from sidecar.telemetry.parts import joined
from tests.doubles.backend import Backend
from tests.doubles.running import RunningProxy, rules_text, running


@pytest.fixture
async def serving() -> AsyncIterator[RunningProxy]:
    async with Backend() as backend, running(backend.url, sets=["drain.announce=0s"]) as proxy:
        yield proxy


def with_breaker(serving: RunningProxy) -> CircuitBreaker:
    """A breaker of the upstream, in the generation that is current."""
    proxy = serving.proxy
    observer = proxy.stats.breaker("upstream.app")
    spec = CircuitBreakerSpec()
    breaker = CircuitBreaker("app/circuit_breaker", "upstream.app", spec, 1.0, random.Random(0), observer)
    runtime = proxy.current.runtime
    seen = SimpleNamespace(
        number=runtime.number,
        digest=runtime.digest,
        routes=runtime.routes,
        upstreams=runtime.upstreams,
        endpoints=runtime.endpoints,
        breakers={"upstream.app": breaker},
    )
    proxy.current.runtime = cast("Runtime", seen)
    return breaker


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
    assert (told.holds, told.detail) == (
        True,
        "1 of 2 endpoints available; without an address: app/name.invalid:2",
    )


async def test_status_tells_everything_that_moves(serving: RunningProxy) -> None:
    async with serving.peer() as peer:
        await peer.get("/")
        told = joined(serving.proxy.oversight.status())
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
    told = joined(proxy.oversight.status())
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
    text = b"".join(oversight.exposition("")[0]).decode()
    assert "sidecar_drain_phase 0.0" in text
    assert "sidecar_endpoint_available{" in text
    oversight.start_drain("test")
    assert "sidecar_drain_phase 1.0" in b"".join(oversight.exposition("")[0]).decode()


async def test_a_breaker_is_commanded_by_its_label_and_that_is_an_event(serving: RunningProxy) -> None:
    oversight = serving.proxy.oversight
    breaker = with_breaker(serving)
    assert list(oversight.breaker_names()) == ["upstream.app"]
    assert not oversight.command_breaker("upstream.other", "open")
    assert oversight.events() == []
    assert oversight.command_breaker("upstream.app", "open")
    assert not breaker.available(time.monotonic())
    told = [(event["kind"], event["subject"], event["fields"]) for event in oversight.events()]
    assert told[0] == ("command", "upstream.app", {"verb": "open"})
    assert [kind for kind, _, _ in told] == ["command", "breaker"]
    status = joined(oversight.status())
    assert status["breakers"]["upstream.app"]["state"] == status["upstreams"][0]["breaker"]["state"] == "open"
    assert (
        'sidecar_breaker_state{breaker="upstream.app",state="open"} 1.0'
        in b"".join(oversight.exposition("")[0]).decode()
    )
    assert oversight.command_breaker("upstream.app", "auto")
    assert breaker.available(time.monotonic())


async def test_an_endpoint_is_drained_and_made_ready_by_its_name_and_that_is_an_event(serving: RunningProxy) -> None:
    oversight = serving.proxy.oversight
    (endpoint,) = serving.proxy.current.runtime.endpoints()
    assert list(oversight.endpoint_names()) == [endpoint.name]
    assert not oversight.command_endpoint("app/elsewhere:1", "drain")
    assert oversight.command_endpoint(endpoint.name, "drain")
    assert [one.name for one in oversight.conditions() if not one.holds] == ["upstream app"]
    available = f'sidecar_endpoint_available{{endpoint="{endpoint.name}",upstream="app"}}'
    assert f"{available} 0.0" in b"".join(oversight.exposition("")[0]).decode()
    told = joined(oversight.status())["upstreams"][0]["endpoints"][0]
    assert (told["takes_attempts"], told["drained"]) == (False, True)
    assert oversight.command_endpoint(endpoint.name, "ready")
    assert all(condition.holds for condition in oversight.conditions())
    assert f"{available} 1.0" in b"".join(oversight.exposition("")[0]).decode()
    events = [(event["kind"], event["subject"], event["fields"]) for event in oversight.events()]
    assert events == [("command", endpoint.name, {"verb": "drain"}), ("command", endpoint.name, {"verb": "ready"})]


async def test_ready_ends_an_ejection_and_leaves_one_that_has_its_share_alone() -> None:
    async with running("http://127.0.0.1:1", "http://127.0.0.1:2") as proxy:
        oversight = proxy.proxy.oversight
        upstream = proxy.proxy.current.runtime.upstreams["app"]
        upstream.ejection = Ejection(EjectionSpec(consecutive_failures=1), upstream.observer)
        ejected, well = upstream.endpoints
        now = time.monotonic()
        upstream.settle(now, ejected, Outcome.FAILURE, now)
        assert upstream.available(now) == 1
        assert oversight.command_endpoint(ejected.name, "ready")
        assert oversight.command_endpoint(well.name, "ready")
        assert upstream.available(now) == 2
        assert (ejected.ramp_since, well.ramp_since) == (NEWCOMER, STEADY)
    kinds = [event["kind"] for event in oversight.events()]
    assert kinds == ["ejected", "command", "readmitted", "command"]


async def test_waiting_for_the_drain_ends_with_it_or_with_time(serving: RunningProxy) -> None:
    oversight = serving.proxy.oversight
    assert not await oversight.drained(0.01)
    waiting = asyncio.ensure_future(oversight.drained(60))
    serving.proxy.lifecycle.advance(Phase.CLOSING)
    assert await waiting


async def test_its_inside_is_told_under_its_name_and_what_weighs_is_an_event(serving: RunningProxy) -> None:
    oversight = serving.proxy.oversight
    told = cast("dict[str, Any]", await oversight.inspect(LoopTerms(), None))
    assert list(told) == ["sidecar"]
    assert (told["sidecar"]["lag"]["period"], told["sidecar"]["deadlines"] >= 0) == (0.25, True)
    assert oversight.events() == []
    assert list(await oversight.inspect(ProfileTerms(0.1, 50), None)) == ["sidecar"]
    (event,) = oversight.events()
    assert (event["kind"], event["subject"], event["text"]) == ("debug", "instance", "profiled for 0.1 s at 50 Hz")


async def test_one_process_has_no_workers_to_look_into(serving: RunningProxy) -> None:
    with pytest.raises(NoSuchWorkerError) as unknown:
        await serving.proxy.oversight.inspect(ProfileTerms(), 0)
    assert unknown.value.known == ()
    assert serving.proxy.oversight.events() == []
