"""Policies where they meet the edges of HTTP: hints, discarded answers, expectations, broken uploads, a drain."""

from __future__ import annotations

import asyncio

from tests.doubles.backend import OK, Backend, Call
from tests.doubles.clock import Clock
from tests.doubles.running import RunningProxy, rules_text, running
from tests.doubles.steps import Gate

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
ONE_AT_A_TIME = "concurrency: {max: 1, max_queue: 9}, timeout: {request: 60s, attempt: 60s}"


def unavailable(*fields: str) -> bytes:
    """A 503 with these fields."""
    return "\r\n".join(["HTTP/1.1 503 Service Unavailable", "Content-Length: 0", *fields, "", ""]).encode()


async def served(proxy: RunningProxy, count: int) -> None:
    """Waits until so many exchanges are under way."""
    await proxy.until(lambda: proxy.in_flight() == count)


async def test_what_a_client_says_of_attempts_and_deadlines_is_not_believed_twice() -> None:
    async with Backend(unavailable(), OK) as backend, running(backend.url, clock=Clock(), seed=1) as proxy:
        fields = ("X-Sidecar-Attempt: 9", "X-Request-Timeout-Ms: 5000", "X-Request-Timeout-Ms: 1000")
        assert (await proxy.ask_in_time("/", *fields)).status == 200
        assert [request.all("x-sidecar-attempt") for request in backend.requests] == [[], [b"2"]]
        assert [len(request.all("x-request-timeout-ms")) for request in backend.requests] == [1, 1]


async def test_a_retry_waits_as_long_as_the_backend_asks() -> None:
    async with (
        Backend(unavailable("Retry-After: 2"), OK) as backend,
        running(backend.url, clock=Clock(), seed=1) as proxy,
        asyncio.TaskGroup() as client,
    ):
        asked = client.create_task(proxy.ask())
        retries = proxy.stats.route("everything").retries
        await proxy.until(lambda: sum(retries.values()) == 1)
        await proxy.pass_time(1.9)
        await proxy.turns(100)
        assert len(backend.requests) == 1
        await proxy.pass_time(0.16)
        assert (await asked).status == 200


async def test_a_hint_past_the_deadline_passes_the_answer_on() -> None:
    async with Backend(unavailable("Retry-After: 100"), OK) as backend, running(backend.url, clock=Clock()) as proxy:
        answer = await proxy.ask("/", "X-Request-Timeout-Ms: 3000")
        assert (answer.status, answer.get("retry-after")) == (503, b"100")
        assert len(backend.requests) == 1


async def test_an_endless_answer_that_is_not_wanted_is_cut() -> None:
    async def endless(call: Call) -> None:
        await call.body()
        if call.request.get("x-sidecar-attempt") == b"3":
            await call.send(OK)
            return
        call.close()
        await call.send(b"HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            await call.send(b"1000\r\n" + b"x" * 4096 + b"\r\n")

    async with Backend(endless) as backend, running(backend.url, clock=Clock(), seed=1) as proxy:
        assert (await proxy.ask_in_time()).body == b"ok"
        assert len(backend.requests) == 3


async def test_what_comes_late_of_a_discarded_answer_is_in_no_other_answer() -> None:
    async def late(call: Call) -> None:
        await call.body()
        target = call.request.target
        if target == b"/retried" and call.request.get("x-sidecar-attempt") is None:
            await call.send(b"HTTP/1.1 503 No\r\nContent-Length: 5\r\n\r\nab")
            for _ in range(50):
                await asyncio.sleep(0)
            await call.send(b"cde")
            return
        await call.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(target), target))

    async with Backend(late) as backend, running(backend.url, clock=Clock(), seed=1) as proxy:
        for target in ("/retried", "/other") * 5:
            assert (await proxy.ask_in_time(target)).body == target.encode()
        assert len(backend.requests) == 15


async def test_the_queue_is_first_in_first_out() -> None:
    gate = Gate()
    async with (
        Backend(gate) as backend,
        running(rules=rules_text(backend.url, route=ONE_AT_A_TIME), clock=Clock()) as proxy,
        asyncio.TaskGroup() as clients,
    ):
        for number in range(8):
            clients.create_task(proxy.ask(f"/{number}"))
            await served(proxy, number + 1)
        for _ in range(8):
            gate.permits.release()
        await served(proxy, 0)
        assert [request.target for request in backend.requests] == [b"/%d" % number for number in range(8)]


async def test_a_refusal_is_framed_for_head_and_for_http_1_0() -> None:
    limit = "rate_limits: [{name: all, rate: 1/h, burst: 1}]"
    async with Backend() as backend, running(rules=rules_text(backend.url, route=limit), clock=Clock()) as proxy:
        async with proxy.peer() as peer:
            assert (await peer.get()).status == 200
            refused = await peer.ask(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (refused.status, refused.body) == (429, b"")
            assert int(refused.get("content-length") or 0) > 0
            assert (await peer.get()).status == 429
        async with proxy.peer() as peer:
            refused = await peer.ask(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n")
            assert (refused.status, refused.get("connection")) == (429, b"close")
            assert await peer.ended() == b""


async def test_an_expectation_is_met_once_its_turn_has_come() -> None:
    gate = Gate()

    async def expecting(call: Call) -> None:
        if call.request.get("expect") is not None:
            await call.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        await gate(call)

    async with (
        Backend(expecting) as backend,
        running(rules=rules_text(backend.url, route=ONE_AT_A_TIME), clock=Clock()) as proxy,
        proxy.peer() as first,
        proxy.peer() as second,
    ):
        await first.send(GET)
        await backend.wait_requests(1)
        await second.send(b"PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        await served(proxy, 2)
        gate.permits.release()
        assert (await first.answer()).status == 200
        assert (await second.head()).status == 100
        await second.send(b"abc")
        gate.permits.release()
        assert (await second.answer()).status == 200


async def test_an_upload_that_breaks_in_the_queue_leaves_it() -> None:
    gate = Gate()
    route = "concurrency: {max: 1, max_queue: 1}"
    async with (
        Backend(gate) as backend,
        running(rules=rules_text(backend.url, route=route), clock=Clock()) as proxy,
        proxy.peer() as first,
        proxy.peer() as second,
        proxy.peer() as third,
    ):
        await first.send(GET)
        await backend.wait_requests(1)
        await second.send(b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        await served(proxy, 2)
        await second.send(b"zz\r\n")
        assert (await second.answer()).status == 400
        await third.send(GET)
        await served(proxy, 2)
        gate.permits.release()
        gate.permits.release()
        assert (await first.answer()).status == 200
        assert (await third.answer()).status == 200


async def test_an_upload_that_stalls_in_the_queue_is_timed_out_and_one_that_may_not_go_on_is_not() -> None:
    gate = Gate()
    body = b"x" * 400_000
    async with Backend(gate) as backend:
        rules = rules_text(backend.url, listener="timeouts: {body: 5s, idle: 60s}", route=ONE_AT_A_TIME)
        async with (
            running(rules=rules, clock=Clock()) as proxy,
            proxy.peer() as first,
            proxy.peer() as stalls,
            proxy.peer() as held,
            asyncio.TaskGroup() as tasks,
        ):
            await first.send(GET)
            await backend.wait_requests(1)
            await stalls.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
            # More than is kept for one that waits: the proxy itself stops reading it.
            tasks.create_task(held.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 400000\r\n\r\n" + body))
            await served(proxy, 3)
            for _ in range(4):
                await proxy.turns(300)
                await proxy.pass_time(3)
            assert (await stalls.answer()).status == 408
            gate.permits.release()
            assert (await first.answer()).status == 200
            gate.permits.release()
            assert (await held.answer()).status == 200
            assert backend.requests[1].body == body


async def test_a_drain_waits_for_the_queue() -> None:
    gate = Gate()
    async with Backend(gate) as backend:
        rules = rules_text(backend.url, route=ONE_AT_A_TIME) + "drain: {announce: 0s, deadline: 9s}\n"
        async with running(rules=rules, clock=Clock()) as proxy, proxy.peer() as first, proxy.peer() as second:
            await first.send(GET)
            await backend.wait_requests(1)
            await second.send(GET)
            await served(proxy, 2)
            assert (await proxy.admin("POST", "/drain")).status == 202
            draining = asyncio.get_running_loop().create_task(proxy.proxy.drain.run())
            await proxy.turns(50)
            for peer in (first, second):
                gate.permits.release()
                answer = await peer.answer()
                assert (answer.status, answer.get("connection")) == (200, b"close")
            async with asyncio.timeout(10):
                assert await draining == 0
