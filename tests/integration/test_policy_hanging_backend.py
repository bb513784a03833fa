"""A backend that hangs: everybody has an answer by the deadline, and it says whose limit that was."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from tests.doubles.backend import OK, Backend, Call
from tests.doubles.clock import Clock
from tests.doubles.running import rules_text, running
from tests.doubles.steps import stall

CLIENTS = 60


async def half_a_head(call: Call) -> None:
    """Begins, and stops."""
    await call.send(b"HTTP/1.1 200 OK\r\nX-Half: ")
    await stall(call)


async def interim_only(call: Call) -> None:
    """Says that it will say something, again and again, and never does."""
    await call.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 3)
    await stall(call)


@pytest.mark.parametrize("hang", [stall, half_a_head, interim_only], ids=lambda step: step.__name__)
@pytest.mark.parametrize("retries", [1, 3])
async def test_every_client_has_its_answer_by_the_deadline(hang: object, retries: int) -> None:
    assert callable(hang)
    async with Backend(hang) as backend:
        rules = rules_text(
            backend.url,
            upstream="circuit_breaker: null",
            route=f"timeout: {{request: 2s, attempt: 800ms}}, retry: {{max_attempts: {retries}, on: attempt_timeout}}",
        )
        async with running(rules=rules, clock=Clock(), seed=2) as proxy, asyncio.TaskGroup() as clients:
            asked = [clients.create_task(proxy.ask()) for _ in range(CLIENTS)]
            await backend.wait_requests(CLIENTS)
            for _ in range(20):
                await proxy.turns(30)
                await proxy.pass_time(0.1)
            # Two seconds have passed, and the wheel is a tick late at the most.
            await proxy.pass_time(0.02)
            answers = await asyncio.gather(*asked)
            assert {answer.status for answer in answers} == {504}
            told = Counter(answer.problem["rule"] for answer in answers)
            assert set(told) <= {"everything/timeout.attempt", "everything/timeout.request"}
            if retries == 1:
                assert set(told) == {"everything/timeout.attempt"}
            await proxy.quiet()
        for connection in backend.connections:
            await asyncio.wait_for(connection.gone.wait(), 10)


async def test_a_queue_behind_a_hanging_backend_is_answered_too() -> None:
    async with Backend(stall) as backend:
        rules = rules_text(
            backend.url,
            upstream="circuit_breaker: null",
            route="timeout: {request: 1s, attempt: 1s}, concurrency: {max: 2, max_queue: 100}, retry: null",
        )
        async with running(rules=rules, clock=Clock()) as proxy, asyncio.TaskGroup() as clients:
            asked = [clients.create_task(proxy.ask()) for _ in range(30)]
            await proxy.until(lambda: proxy.heard() == 30)
            await backend.wait_requests(2)
            await proxy.pass_time(1.02)
            await proxy.pass_time(0.02)
            reasons = {(await one).problem["reason"] for one in asked}
            # Who gets a place at the last instant has no time left to use it.
            assert reasons <= {"request_timeout", "attempt_timeout", "concurrency_limited"}
            assert len(backend.requests) == 2


async def test_connections_of_a_hanging_backend_open_its_breaker_and_then_nobody_waits() -> None:
    async with Backend(stall) as backend:
        rules = rules_text(
            backend.url,
            upstream="circuit_breaker: {consecutive_failures: 5, open_for: 10s}",
            route="timeout: {request: 2s, attempt: 500ms}, retry: null",
        )
        async with running(rules=rules, clock=Clock()) as proxy, asyncio.TaskGroup() as clients:
            asked = [clients.create_task(proxy.ask()) for _ in range(5)]
            await backend.wait_requests(5)
            await proxy.pass_time(0.52)
            assert {(await one).status for one in asked} == {504}
            refused = await proxy.ask()
            assert (refused.status, refused.problem["reason"]) == (503, "circuit_open")
            assert len(backend.requests) == 5


async def test_a_caller_in_a_hurry_opens_no_breaker() -> None:
    async with Backend(stall) as backend:
        rules = rules_text(
            backend.url,
            upstream="circuit_breaker: {consecutive_failures: 3, open_for: 10s}",
            route="timeout: {request: 10s, attempt: 5s}, retry: null",
        )
        async with running(rules=rules, clock=Clock()) as proxy, asyncio.TaskGroup() as clients:
            for count in range(1, 6):
                asked = clients.create_task(proxy.ask("/", "X-Request-Timeout-Ms: 100"))
                await backend.wait_requests(count)
                await proxy.pass_time(0.12)
                assert (await asked).status == 504
            assert (await proxy.breaker())["state"] == "closed"


async def test_a_caller_that_sends_slowly_opens_no_breaker() -> None:
    async with Backend() as backend:
        rules = rules_text(
            backend.url,
            upstream="circuit_breaker: {slow_after: 1s, slow_ratio: 0.5, min_requests: 2}",
            route="timeout: {request: 60s, attempt: 5s}, retry: null",
        )
        async with running(rules=rules, clock=Clock()) as proxy:
            for count in range(1, 5):
                async with proxy.peer() as peer:
                    await peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab")
                    await backend.wait_requests(count)
                    await proxy.pass_time(3)
                    await peer.send(b"cd")
                    assert (await peer.answer()).status == 200
            told = await proxy.breaker()
            assert (told["state"], told["slow"]) == ("closed", 0)


async def test_an_endpoint_that_is_slow_once_it_has_the_upload_opens_its_breaker() -> None:
    clock = Clock()

    async def late(call: Call) -> None:
        await call.body()
        await clock.passed(2)
        await call.send(OK)

    async with Backend(late) as backend:
        rules = rules_text(
            backend.url,
            upstream="circuit_breaker: {slow_after: 1s, slow_ratio: 0.5, min_requests: 2}",
            route="timeout: {request: 60s, attempt: 5s}, retry: null",
        )
        async with running(rules=rules, clock=clock) as proxy, asyncio.TaskGroup() as clients:
            for count in (1, 2):
                asked = clients.create_task(proxy.ask("/", method="POST", body=b"order"))
                await backend.wait_requests(count)
                await proxy.turns(50)
                while not asked.done():
                    await proxy.pass_time(0.5)
                    await proxy.turns(20)
                assert asked.result().status == 200
            assert (await proxy.breaker())["state"] == "open"
