"""A POST reaches the backend once, unless nothing of it was sent or its sender vouches for it."""

from __future__ import annotations

import asyncio

import pytest

from tests.doubles.backend import OK, Backend, Call, GoneError, linger_zero, refusing
from tests.doubles.clock import Clock
from tests.doubles.running import RunningProxy, rules_text, running
from tests.doubles.steps import UNAVAILABLE

RETRY = "retry: {max_attempts: 3, on: [connect_failure, reset, attempt_timeout, 502, 503, 504]}, timeout: {attempt: 1s}"
KEY = "Idempotency-Key: 7"


async def reset_at_the_head(call: Call) -> None:
    """Resets before the body is read."""
    call.reset()


async def reset_after_all(call: Call) -> None:
    """Resets once the whole request was read."""
    await call.body()
    call.reset()


async def close_after_all(call: Call) -> None:
    """Closes without an answer."""
    await call.body()
    call.close()


async def half_an_answer(call: Call) -> None:
    """Begins a head and dies."""
    await call.body()
    await call.send(b"HTTP/1.1 200 OK\r\nX-Half")
    call.reset()


async def nonsense(call: Call) -> None:
    """Answers what is no HTTP."""
    await call.body()
    await call.send(b"\x00\x01\r\n\r\n")
    call.close()


async def stall(call: Call) -> None:
    """Reads all and never answers."""
    await call.body()
    await call.wait_gone()
    call.close()


async def unavailable(call: Call) -> None:
    """Answers 503."""
    await call.body()
    await call.send(UNAVAILABLE)


async def post(proxy: RunningProxy, *fields: str, body: bytes = b"order") -> int:
    """Sends a POST, moving the clock until it is answered."""
    async with asyncio.TaskGroup() as client:
        asked = client.create_task(proxy.ask("/", *fields, method="POST", body=body))
        await proxy.until(lambda: asked.done() or proxy.heard() > 0)
        while not asked.done():
            await proxy.turns(50)
            await proxy.pass_time(0.1)
    return asked.result().status


@pytest.mark.parametrize(
    "misbehave",
    [reset_at_the_head, reset_after_all, close_after_all, half_an_answer, nonsense, stall, unavailable],
    ids=lambda step: step.__name__,
)
@pytest.mark.parametrize("vouched", [False, True], ids=["plain", "vouched for"])
async def test_a_failed_post_is_sent_again_only_when_it_is_vouched_for(misbehave: object, vouched: bool) -> None:
    assert callable(misbehave)
    async with Backend(misbehave, misbehave, OK) as backend:
        rules = rules_text(backend.url, route=RETRY)
        async with running(rules=rules, clock=Clock(), seed=1) as proxy:
            status = await post(proxy, *([KEY] if vouched else []))
        if vouched:
            assert (status, len(backend.requests)) == (200, 3)
            assert backend.requests[-1].body == b"order"
            assert {request.get("idempotency-key") for request in backend.requests} == {b"7"}
        else:
            assert status in (502, 503, 504)
            assert len(backend.requests) == 1


async def test_a_post_that_was_refused_a_connection_is_sent_once_the_backend_is_there() -> None:
    with refusing() as port:
        route = "retry: {max_attempts: 3, backoff: {base: 60s, max: 60s}}, timeout: {request: 5m}"
        rules = rules_text(f"http://127.0.0.1:{port}", upstream="hold: null", route=route)
        async with running(rules=rules, clock=Clock(), seed=1) as proxy, asyncio.TaskGroup() as client:
            asked = client.create_task(proxy.ask("/", method="POST", body=b"order"))
            retries = proxy.stats.route("everything").retries
            await proxy.until(lambda: sum(retries.values()) == 1)
            async with Backend(port=port) as backend:
                await proxy.pass_time(60)
                assert (await asked).status == 200
                (request,) = backend.requests
                assert (request.body, request.get("x-sidecar-attempt")) == (b"order", b"2")
            assert retries == {"connect_failure": 1}


async def test_a_post_on_a_pooled_connection_that_died_unnoticed_is_not_repeated() -> None:
    async def answer_then_die(call: Call) -> None:
        await call.body()
        if len(call.backend.requests) == 1:
            await call.send(OK)
            return
        # The next request on this connection is read, and the connection is gone without a byte of an answer.
        call.reset()

    async with Backend(answer_then_die) as backend:
        async with running(rules=rules_text(backend.url, route="retry: null")) as proxy:
            assert (await proxy.ask()).status == 200
            await proxy.until(lambda: proxy.pooled() == 1)
            assert (await proxy.ask("/", method="POST", body=b"order")).status == 502
        assert len(backend.connections) == 1
        assert [request.method for request in backend.requests] == [b"GET", b"POST"]


async def test_an_upload_larger_than_what_is_kept_is_not_repeated() -> None:
    async with Backend(reset_after_all, OK) as backend:
        rules = rules_text(backend.url, route="retry: {max_attempts: 3, max_body_bytes: 1KiB}")
        async with running(rules=rules, clock=Clock(), seed=1) as proxy:
            assert await post(proxy, KEY, body=b"x" * 5000) == 502
            assert (await proxy.status())["routes"][0]["retries_skipped"] == {"body_too_large": 1}
        assert len(backend.requests) == 1


async def test_an_answer_that_has_begun_is_never_asked_for_again() -> None:
    async def half(call: Call) -> None:
        await call.body()
        await call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        linger_zero(call.connection.writer)
        call.close()

    async with Backend(half) as backend:
        rules = rules_text(backend.url, route=RETRY)
        async with running(rules=rules) as proxy:
            for fields in ((), (KEY,)):
                with pytest.raises(GoneError):
                    await proxy.ask("/", *fields)
        assert len(backend.requests) == 2
