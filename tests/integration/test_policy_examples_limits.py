"""The examples of limits, run as they are written: rates, concurrency, faults and deadlines."""

from __future__ import annotations

import asyncio

import pytest

from tests.doubles.backend import OK, Backend, Call
from tests.doubles.clock import Clock
from tests.doubles.running import example, running
from tests.doubles.steps import Gate, stall


async def test_the_sixth_login_of_a_client_is_a_429_that_says_until_when() -> None:
    async with (
        Backend() as backend,
        running(given=example("rate-limits", backend.url), clock=Clock()) as proxy,
        proxy.peer() as peer,
    ):
        for left in (4, 3, 2, 1, 0):
            answer = await peer.ask(b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
            assert answer.status == 200
            policies = answer.get("ratelimit-policy")
            assert policies is not None
            assert b'"per-client";q=5' in policies
            assert b'"everybody";q=100' in policies
            assert b"stricter" not in policies
            assert f'"per-client";r={left}'.encode() in (answer.get("ratelimit") or b"")
        refused = await peer.ask(b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        assert (refused.status, refused.problem["rule"]) == (429, "login/per-client")
        assert b'"per-client";r=0;t=6' in (refused.get("ratelimit") or b"")
        assert refused.get("retry-after") == b"6"
        assert (await peer.ask(b"GET /login HTTP/1.1\r\nHost: a\r\n\r\n")).status == 200  # another route
        await proxy.pass_time(6.02)
        assert (await peer.ask(b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")).status == 200
        (login,) = [route for route in (await proxy.status())["routes"] if route["name"] == "login"]
        assert login["rejected_by"] == {"login/per-client": 1}
        # The limit that is only tried out has three tokens and counts the rest, but lets it through.
        assert login["shadow_rejected_by"] == {"login/stricter": 3}
        assert len(backend.requests) == 7


async def test_a_short_peak_of_all_logins_waits_and_a_long_one_is_refused() -> None:
    # This is about all clients together, so each of them may do as much as it likes.
    sets = [f"routes.login.rate_limits.per-client.{what}" for what in ("rate=10000/s", "burst=10000")]
    async with (
        Backend() as backend,
        running(given=example("rate-limits", backend.url, sets=sets), clock=Clock()) as proxy,
        asyncio.TaskGroup() as clients,
    ):
        asked = [clients.create_task(proxy.ask("/login", method="POST")) for _ in range(130)]
        # A hundred at once, twelve more within 250 ms at 50 a second, and no more.
        await proxy.settled(130)
        await proxy.until(lambda: proxy.in_flight() == 12)
        assert len(backend.requests) == 100
        await proxy.pass_time(0.26)
        statuses = sorted([(await one).status for one in asked])
        assert statuses == [200] * 112 + [429] * 18
        assert len(backend.requests) == 112


async def test_tokens_have_buckets_of_their_own_and_requests_without_one_share() -> None:
    async with (
        Backend() as backend,
        running(given=example("rate-limits", backend.url), clock=Clock()) as proxy,
        proxy.peer() as peer,
    ):
        for token in ("one", "two"):
            statuses = [(await peer.get("/api/x", f"X-Api-Key: {token}")).status for _ in range(42)]
            assert statuses == [200] * 40 + [429] * 2
        assert [(await peer.get("/api")).status for _ in range(41)] == [200] * 40 + [429]
        assert len(backend.requests) == 120


async def test_two_reports_run_eight_wait_and_the_eleventh_is_refused() -> None:
    gate = Gate()
    async with (
        Backend(gate) as backend,
        running(given=example("concurrency", backend.url), clock=Clock()) as proxy,
        asyncio.TaskGroup() as clients,
    ):
        asked = [clients.create_task(proxy.ask("/reports")) for _ in range(10)]
        await proxy.until(lambda: proxy.in_flight() == 10)
        refused = await proxy.ask("/reports")
        assert (refused.status, refused.problem["rule"]) == (503, "reports/concurrency")
        assert refused.problem["reason"] == "concurrency_limited"
        assert len(backend.requests) == 2
        gate.permits.release()
        await backend.wait_requests(3)
        # Two seconds are the longest wait: those who still queue then are told so, and those who run are not.
        await proxy.pass_time(2.02)
        await proxy.until(lambda: proxy.in_flight() == 2)
        gate.permits.release()
        gate.permits.release()
        statuses = sorted([(await one).status for one in asked])
        assert statuses == [200] * 3 + [503] * 7
        (reports, *_) = (await proxy.status())["routes"]
        assert reports["policies"]["reports/concurrency"]["in_flight"] == 0
        assert reports["policies"]["reports/concurrency"]["queued"] == 0


async def test_a_watched_limit_lets_through_what_it_counts() -> None:
    gate = Gate()
    async with (
        Backend(gate) as backend,
        running(given=example("concurrency", backend.url), clock=Clock()) as proxy,
        asyncio.TaskGroup() as clients,
    ):
        asked = [clients.create_task(proxy.ask("/search")) for _ in range(60)]
        await backend.wait_requests(60)
        for _ in asked:
            gate.permits.release()
        assert {(await one).status for one in asked} == {200}
        search = (await proxy.status())["routes"][2]
        # 16 that run and 32 that would have queued.
        assert search["shadow_rejected_by"] == {"search/concurrency": 12}
        assert search["policies"]["search/concurrency"]["in_flight"] == 0


async def test_a_limit_that_is_learned_moves_with_what_the_backend_can_do() -> None:
    gate = Gate()

    async def step(call: Call) -> None:
        await (gate(call) if call.request.target == b"/slow" else call.send(OK))

    async with (
        Backend(step) as backend,
        running(given=example("adaptive-concurrency", backend.url), clock=Clock()) as proxy,
        proxy.peer() as peer,
        asyncio.TaskGroup() as clients,
    ):

        async def limits() -> list[tuple[str, int]]:
            shown = [next(iter(route["policies"].items())) for route in (await proxy.status())["routes"]]
            return [(name, policy["max"]) for name, policy in shown if "concurrency" in name]

        began = [("reports/concurrency", 2), ("search/concurrency", 20), ("everything/concurrency", 20)]
        assert await limits() == began
        slow = [clients.create_task(proxy.ask("/slow")) for _ in range(15)]
        await backend.wait_requests(15)
        for _ in range(60):
            assert (await peer.get("/")).status == 200
            await proxy.pass_time(0.02)
        # As many are in flight as the limit is there for, and those that answer are as fast as ever.
        assert await limits() == [*began[:2], ("everything/concurrency", 30)]
        for _ in slow:
            gate.permits.release()
        assert {(await one).status for one in slow} == {200}


async def test_a_fault_delays_before_the_backend_is_asked() -> None:
    async with (
        Backend() as backend,
        running(given=example("fault", backend.url), clock=Clock()) as proxy,
        asyncio.TaskGroup() as clients,
    ):
        asked = clients.create_task(proxy.ask("/", "X-Try: late"))
        await proxy.settled(1)
        await proxy.pass_time(0.78)
        assert backend.requests == []
        await proxy.pass_time(0.04)
        assert (await asked).status == 200
        assert len(backend.requests) == 1


async def test_a_fault_aborts_a_share_of_the_requests() -> None:
    sets = ["routes.flaky.fault.delay.ratio=0"]
    async with (
        Backend() as backend,
        running(given=example("fault", backend.url, sets=sets), clock=Clock(), seed=7) as proxy,
        proxy.peer() as peer,
    ):
        answers = [await peer.get("/", "X-Try: flaky") for _ in range(400)]
        aborted = [answer for answer in answers if answer.status == 502]
        assert 8 <= len(aborted) <= 36  # 20, give or take four standard deviations; the dice are seeded
        assert {answer.problem["reason"] for answer in aborted} == {"fault_injected"}
        assert {answer.problem["rule"] for answer in aborted} == {"flaky/fault"}
        assert len(backend.requests) == 400 - len(aborted)
        assert {(await peer.get("/")).status for _ in range(50)} == {200}


async def test_a_delay_past_the_deadline_sends_nothing() -> None:
    async with (
        Backend() as backend,
        running(given=example("fault", backend.url), clock=Clock()) as proxy,
        asyncio.TaskGroup() as clients,
    ):
        assert (await proxy.ask("/")).status == 200
        await proxy.until(lambda: proxy.pooled() == 1)  # ready to carry one more at once
        asked = clients.create_task(proxy.ask("/", "X-Try: late", "X-Request-Timeout-Ms: 200"))
        await proxy.settled(2)
        await proxy.pass_time(0.22)
        await proxy.pass_time(0.02)
        answer = await asked
        assert (answer.status, answer.problem["reason"]) == (504, "request_timeout")
        assert len(backend.requests) == 1


async def test_what_is_left_of_the_deadline_shrinks_from_attempt_to_attempt() -> None:
    retries = "defaults.retry={max_attempts: 3, on: [attempt_timeout], backoff: {base: 1ms, max: 1ms}}"
    async with (
        Backend(stall) as backend,
        running(given=example("deadline", backend.url, sets=[retries]), clock=Clock(), seed=1) as proxy,
        asyncio.TaskGroup() as clients,
    ):
        asked = clients.create_task(proxy.ask("/"))
        for attempt in (1, 2, 3):
            request = await backend.wait_requests(attempt)
            assert request.get("x-sidecar-attempt") == (None if attempt == 1 else str(attempt).encode())
            if attempt < 3:
                await proxy.pass_time(1.0)
                await proxy.pass_time(0.02)
        left = [int(request.get("x-request-timeout-ms") or b"") for request in backend.requests]
        assert left[0] == 3000
        assert 1960 <= left[1] <= 2000
        assert 920 <= left[2] <= 980
        await proxy.pass_time(1.0)
        answer = await asked
        assert (answer.status, answer.problem["rule"]) == (504, "everything/timeout.request")


@pytest.mark.parametrize(("asked", "told"), [("700", b"700"), ("5000", b"1000")])
async def test_a_caller_can_shorten_the_deadline_and_not_lengthen_it(asked: str, told: bytes) -> None:
    async with (
        Backend() as backend,
        running(given=example("deadline", backend.url), clock=Clock()) as proxy,
    ):
        assert (await proxy.ask("/checkout", f"X-Request-Timeout-Ms: {asked}")).status == 200
        assert backend.requests[0].get("x-request-timeout-ms") == told


async def test_the_wait_in_the_queue_is_paid_from_the_deadline() -> None:
    gate = Gate()
    sets = ["routes.checkout.concurrency={max: 1, max_queue: 1, max_wait: 200ms}"]
    async with (
        Backend(gate) as backend,
        running(given=example("deadline", backend.url, sets=sets), clock=Clock()) as proxy,
        asyncio.TaskGroup() as clients,
    ):
        first = clients.create_task(proxy.ask("/checkout"))
        await backend.wait_requests(1)
        second = clients.create_task(proxy.ask("/checkout"))
        await proxy.until(lambda: proxy.in_flight() == 2)
        await proxy.pass_time(0.1)
        gate.permits.release()
        assert (await first).status == 200
        request = await backend.wait_requests(2)
        assert request.get("x-request-timeout-ms") in (b"899", b"900")  # cut off, not rounded
        gate.permits.release()
        assert (await second).status == 200
