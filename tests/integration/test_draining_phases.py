"""Each phase of a drain as everybody sees it: clients, probes, scrapes and people. In this process, events only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from sidecar.app.drain import Stage
from tests.doubles.backend import LIMIT_SECONDS, OK, Backend, Call
from tests.doubles.clock import Clock
from tests.doubles.running import RunningProxy, example, rules_text, running
from tests.doubles.steps import ERROR, Gate, stall

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
LONG = ("drain.announce=0s", "drain.deadline=600s")
ANNOUNCING = ("drain.announce=600s", "drain.deadline=601s")
UPGRADE = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: %b\r\n\r\n"


async def switching(call: Call) -> None:
    """Opens whatever tunnel it is asked for, or never answers."""
    wanted = call.request.get("upgrade")
    if wanted is not None:
        await call.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + wanted + b"\r\n\r\n")
    await stall(call)


@asynccontextmanager
async def draining(proxy: RunningProxy) -> AsyncIterator[asyncio.Task[int]]:
    """A drain that no longer accepts; its end is hurried where the test has not seen to it."""
    drain = proxy.proxy.drain
    drain.begin("test")
    async with asyncio.timeout(LIMIT_SECONDS), asyncio.TaskGroup() as group:
        ended = group.create_task(drain.run())
        await proxy.until(lambda: drain.stage >= Stage.DRAINING)
        yield ended
        drain.hurry()


async def test_status_says_what_is_under_way_by_kind() -> None:
    async with (
        Backend(switching) as backend,
        running(backend.url, sets=LONG) as proxy,
        proxy.peer() as asking,
        proxy.peer() as raw,
        proxy.peer() as websocket,
    ):
        await asking.send(GET)
        await backend.wait_requests(1)
        for peer, kind in ((raw, b"x"), (websocket, b"WebSocket")):
            await peer.send(UPGRADE % kind)
            assert (await peer.head()).status == 101
        assert (await proxy.status())["drain"]["stage"] == "none"
        async with draining(proxy):
            told = (await proxy.status())["drain"]
            assert (told["stage"], told["why"]) == ("draining", "test")
            assert told["in_flight"] == {"requests": 1, "tunnels": 1, "websockets": 1}
            assert 0 < told["deadline_left_seconds"] <= 600
            assert told["announce_left_seconds"] is None


async def test_the_example_announces_and_has_a_deadline() -> None:
    async with Backend() as backend, running(given=example("drain", backend.url)) as proxy:
        proxy.proxy.drain.begin("test")
        answer = await proxy.ask()
        assert (answer.status, answer.get("connection")) == (200, b"close")
        told = (await proxy.status())["drain"]
        assert (told["stage"], told["announce_seconds"], told["deadline_seconds"]) == ("announced", 10.0, 60.0)


async def test_each_phase_is_an_event_and_a_metric() -> None:
    async with Backend(stall) as backend, running(backend.url, sets=LONG) as proxy, proxy.peer() as peer:
        await peer.send(GET)
        await backend.wait_requests(1)
        assert b"sidecar_drain_phase 0.0" in (await proxy.admin("GET", "/metrics")).body
        async with draining(proxy) as ended:
            assert b"sidecar_drain_phase 2.0" in (await proxy.admin("GET", "/metrics")).body
        assert await ended == 1
        scraped = (await proxy.admin("GET", "/metrics")).body
        assert b"sidecar_drain_phase 3.0" in scraped
        assert b"sidecar_drain_cut_requests 1.0" in scraped
        assert b'reason="draining"' in scraped
    told = [event for event in proxy.stats.events.recent if event.kind == "drain"]
    assert [(event.subject, event.fields["stage"], event.fields["cut"]) for event in told] == [
        ("instance", "announced", 0),
        ("instance", "draining", 0),
        ("instance", "closing", 1),
    ]


async def test_to_drain_while_draining_answers_and_starts_nothing_anew() -> None:
    async with Backend() as backend, running(backend.url, sets=ANNOUNCING) as proxy:
        for _ in range(2):
            assert (await proxy.admin("POST", "/drain")).status == 202
        late = await proxy.admin("POST", "/drain?wait=1ms")
        assert (late.status, b'"drained": false' in late.body) == (504, True)
        told = (await proxy.status())["drain"]
        assert (told["stage"], told["why"]) == ("announced", "POST /drain")
        kinds = [event.kind for event in proxy.stats.events.recent]
        assert kinds == ["drain"]


async def interim(call: Call) -> None:
    await call.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK)


async def breaking_off(call: Call) -> None:
    call.reset()


@pytest.mark.parametrize(
    ("script", "route", "status"),
    [
        (OK, "", 200),
        (interim, "", 200),
        (ERROR, "fallback: {on: [500], status: 200, body: none}", 200),
        (OK, "match: {path: /elsewhere}", 404),
        (breaking_off, "", 502),
    ],
    ids=["the upstream's", "after an interim one", "a fallback's", "ours, without a route", "ours, for a failure"],
)
async def test_every_final_answer_closes_and_no_interim_one_says_so(script: object, route: str, status: int) -> None:
    assert isinstance(script, bytes) or callable(script)
    async with Backend(script) as backend:
        sets = (*ANNOUNCING, "defaults.retry=null")
        async with running(rules=rules_text(backend.url, route=route), sets=sets) as proxy, proxy.peer() as peer:
            proxy.proxy.drain.begin("test")
            await peer.send(GET)
            while (answer := await peer.head()).status < 200:
                assert answer.get("connection") is None
            assert (answer.status, answer.get("connection")) == (status, b"close")
            await peer.rest()


async def test_who_asked_before_its_connection_was_judged_idle_is_answered() -> None:
    async with Backend() as backend, running(backend.url, sets=LONG) as proxy, proxy.peer() as peer:
        assert (await peer.get()).status == 200
        await peer.send(GET)  # in the kernel's hands, and the proxy has not turned since
        proxy.proxy.front.stop_accepting()
        proxy.proxy.front.close_idle()
        answer = await peer.answer()
        assert (answer.status, answer.get("connection")) == (200, b"close")
        assert await peer.rest() == b""


async def test_whoever_asked_before_the_answer_ahead_could_say_that_we_leave_is_answered() -> None:
    rest = asyncio.Event()

    async def halves(call: Call) -> None:
        await call.send(OK[:-1])
        await rest.wait()
        await call.send(OK[-1:])

    async with Backend(halves, OK) as backend, running(backend.url, sets=LONG) as proxy, proxy.peer() as peer:
        await peer.send(GET)
        assert (await peer.head()).get("connection") is None
        async with draining(proxy) as ended:
            await peer.send(GET)
            rest.set()
            await peer.exactly(2)
            answer = await peer.answer()
            assert (answer.status, answer.get("connection")) == (200, b"close")
            assert await peer.rest() == b""
            assert await ended == 0


async def test_the_last_answers_of_a_listener_that_rules_no_longer_name_say_so() -> None:
    gate = Gate()
    async with Backend(gate) as backend, running(backend.url) as proxy, proxy.peer() as peer:
        await peer.send(GET)
        await backend.wait_requests(1)
        proxy.proxy.front.close_idle()
        gate.permits.release()
        answer = await peer.answer()
        assert (answer.status, answer.get("connection")) == (200, b"close")
        assert await peer.rest() == b""


async def test_who_had_just_connected_is_answered() -> None:
    clock = Clock()
    async with (
        Backend() as backend,
        running(backend.url, sets=LONG, clock=clock) as proxy,
        proxy.peer() as asking,
        proxy.peer() as silent,
        draining(proxy) as ended,
    ):
        await asking.send(GET)
        answer = await asking.answer()
        assert (answer.status, answer.get("connection")) == (200, b"close")
        assert not ended.done()
        await proxy.pass_time(1.5)
        assert await silent.rest() == b""
        assert await ended == 0


async def test_requests_that_wait_in_a_queue_are_told_why() -> None:
    route = "concurrency: {max: 1, max_queue: 5, max_wait: 600s}"
    gate = Gate()
    async with Backend(gate) as backend, running(rules=rules_text(backend.url, route=route), sets=LONG) as proxy:
        async with proxy.peer() as first, proxy.peer() as queued:
            await first.send(GET)
            await backend.wait_requests(1)
            await queued.send(GET)
            await proxy.until(lambda: proxy.in_flight() == 2)
            async with draining(proxy) as ended:
                proxy.proxy.drain.hurry()
                assert await ended == 2
            for peer in (first, queued):
                assert (await peer.answer()).problem["reason"] == "draining"
        assert len(backend.requests) == 1


async def test_a_request_that_waits_to_be_sent_again_is_told_why() -> None:
    route = "retry: {max_attempts: 3, on: [500], backoff: {base: 600s, max: 600s}}, timeout: {request: 3600s}"
    clock = Clock()
    async with (
        Backend(ERROR) as backend,
        running(rules=rules_text(backend.url, route=route), sets=LONG, clock=clock, seed=1) as proxy,
        proxy.peer() as peer,
    ):
        await peer.send(GET)
        await proxy.settled(1)
        assert proxy.in_flight() == 1
        async with draining(proxy) as ended:
            proxy.proxy.drain.hurry()
            assert await ended == 1
        assert (await peer.answer()).problem["reason"] == "draining"
        assert len(backend.requests) == 1
