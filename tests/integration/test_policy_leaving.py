"""A client that leaves while it waits frees what was kept for it at once: the next one is served."""

from __future__ import annotations

import asyncio

import pytest

from sidecar.rules.load import load_text
from sidecar.rules.overlay import Given
from tests.doubles.backend import LIMIT_SECONDS, OK, Backend, Call
from tests.doubles.clock import Clock
from tests.doubles.peer import Peer
from tests.doubles.running import RunningProxy, rules_text, running
from tests.doubles.steps import UNAVAILABLE, Gate

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
UPLOAD = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\npart"


async def leave(proxy: RunningProxy, peer: Peer, how: str, left: int) -> None:
    """Goes, and waits until the proxy knows."""
    gone = proxy.requests().get(("GET", 499), 0) + proxy.requests().get(("POST", 499), 0)
    if how == "reset":
        peer.reset()
    elif how == "half_close":
        peer.half_close()
    else:
        await peer.close()
    await proxy.until(lambda: sum(n for (_, status), n in proxy.requests().items() if status == 499) == gone + 1)
    assert proxy.in_flight() == left


@pytest.mark.parametrize("request_bytes", [GET, UPLOAD], ids=["GET", "an upload"])
@pytest.mark.parametrize("how", ["reset", "half_close", "close"])
async def test_leaving_the_queue_lets_the_next_one_in(how: str, request_bytes: bytes) -> None:
    gate = Gate()
    async with Backend(gate) as backend:
        rules = rules_text(backend.url, route="concurrency: {max: 1, max_queue: 1, max_wait: 10s}")
        async with (
            running(rules=rules, clock=Clock()) as proxy,
            proxy.peer() as first,
            proxy.peer() as second,
            proxy.peer() as third,
        ):
            await first.send(GET)
            await backend.wait_requests(1)
            await second.send(request_bytes)
            await proxy.until(lambda: proxy.in_flight() == 2)
            assert (await third.get()).status == 503  # the queue is full
            await leave(proxy, second, how, left=1)
            await third.send(GET)
            await proxy.until(lambda: proxy.in_flight() == 2)
            gate.permits.release()
            assert (await first.answer()).status == 200
            await backend.wait_requests(2)
            gate.permits.release()
            assert (await third.answer()).status == 200
            assert len(backend.requests) == 2


async def test_leaving_with_a_place_hands_it_to_the_queue() -> None:
    gate = Gate()
    async with Backend(gate) as backend:
        rules = rules_text(backend.url, route="concurrency: {max: 1, max_queue: 5, max_wait: 10s}")
        async with running(rules=rules, clock=Clock()) as proxy, proxy.peer() as first, proxy.peer() as second:
            await first.send(GET)
            await backend.wait_requests(1)
            await second.send(GET)
            await proxy.until(lambda: proxy.in_flight() == 2)
            first.reset()
            await backend.wait_requests(2)
            gate.permits.release()
            gate.permits.release()
            assert (await second.answer()).status == 200


@pytest.mark.parametrize("how", ["reset", "half_close", "close"])
async def test_leaving_while_waiting_for_a_token_gives_it_to_the_next(how: str) -> None:
    async with Backend() as backend:
        rules = rules_text(
            backend.url, route="rate_limits: [{name: all, rate: 1/s, burst: 1, max_wait: 1s}], timeout: {request: 60s}"
        )
        async with running(rules=rules, clock=Clock()) as proxy, proxy.peer() as first, proxy.peer() as next_one:
            assert (await first.get()).status == 200
            async with proxy.peer() as waits:
                await waits.send(GET)
                await proxy.until(lambda: proxy.in_flight() == 1)
                assert (await next_one.get()).status == 429  # the one token to come is reserved
                await leave(proxy, waits, how, left=0)
            await next_one.send(GET)
            await proxy.until(lambda: proxy.in_flight() == 1)
            await proxy.pass_time(1.02)
            assert (await next_one.answer()).status == 200
            assert len(backend.requests) == 2


@pytest.mark.parametrize("how", ["reset", "half_close", "close"])
async def test_leaving_in_backoff_gives_its_place_back_and_is_not_sent_again(how: str) -> None:
    async with Backend(UNAVAILABLE, OK) as backend:
        route = (
            "concurrency: {max: 1}, retry: {max_attempts: 3, backoff: {base: 60s, max: 60s}}, timeout: {request: 5m}"
        )
        rules = rules_text(backend.url, route=route)
        async with running(rules=rules, clock=Clock(), seed=1) as proxy, proxy.peer() as second:
            async with proxy.peer() as first:
                await first.send(GET)
                await backend.wait_requests(1)
                retries = proxy.stats.route("everything").retries
                await proxy.until(lambda: sum(retries.values()) == 1)
                assert (await second.get()).status == 503
                await leave(proxy, first, how, left=0)
            assert (await second.get()).status == 200
            await proxy.pass_time(61)
            assert len(backend.requests) == 2


async def test_leaving_as_a_probe_lets_another_one_probe() -> None:
    gate = Gate()

    async def fail_then_wait(call: Call) -> None:
        await (call.send(UNAVAILABLE) if len(call.backend.requests) == 1 else gate(call))

    async with Backend(fail_then_wait) as backend:
        rules = rules_text(
            backend.url,
            upstream="circuit_breaker: {consecutive_failures: 1, open_for: 1s, half_open_requests: 1}",
            route="retry: null",
        )
        async with running(rules=rules, clock=Clock()) as proxy, proxy.peer() as second:
            assert (await second.get()).status == 503
            await proxy.pass_time(1.2)
            async with proxy.peer() as first:
                await first.send(GET)
                await backend.wait_requests(2)
                assert (await second.get()).problem["reason"] == "circuit_open"
                await leave(proxy, first, "reset", left=0)
            assert (await proxy.breaker())["state"] == "half_open"
            gate.permits.release()
            gate.permits.release()
            async with asyncio.timeout(LIMIT_SECONDS):
                assert (await second.get()).status == 200
            assert (await proxy.breaker())["state"] == "closed"


async def test_leaving_during_a_fault_s_delay_sends_nothing() -> None:
    async with Backend() as backend:
        text = rules_text(backend.url, route="fault: {delay: {ratio: 1, duration: 1s}}")
        given = load_text(text, "rules.yaml", Given(allow_faults=True))
        async with running(given=given, clock=Clock()) as proxy:
            async with proxy.peer() as peer:
                await peer.send(GET)
                await proxy.until(lambda: proxy.in_flight() == 1)
                await leave(proxy, peer, "close", left=0)
            await proxy.pass_time(1.02)
            assert backend.requests == []
