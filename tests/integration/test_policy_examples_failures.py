"""The examples of what is done about failures, run as they are written: breaker, retries, fallbacks, ejection."""

from __future__ import annotations

import asyncio
from collections import Counter

from tests.doubles.backend import OK, Backend, Call, refusing
from tests.doubles.clock import Clock
from tests.doubles.running import example, running
from tests.doubles.steps import ERROR, UNAVAILABLE


class Moody:
    """A step that answers as it is told to at the moment."""

    def __init__(self, answer: bytes = OK) -> None:
        self.answer = answer

    async def __call__(self, call: Call) -> None:
        await call.body()
        await call.send(self.answer)


async def test_a_breaker_opens_refuses_probes_and_closes() -> None:
    mood = Moody(ERROR)
    async with Backend(mood) as backend, running(given=example("circuit-breaker", backend.url), clock=Clock()) as proxy:
        assert [(await proxy.ask()).status for _ in range(10)] == [500] * 10
        for _ in range(20):
            refused = await proxy.ask()
            assert (refused.status, refused.problem["rule"]) == (503, "app/circuit_breaker")
            assert refused.problem["reason"] == "circuit_open"
            # Five seconds, give or take the tenth of jitter.
            assert refused.get("retry-after") in (b"5", b"6")
        assert len(backend.requests) == 10
        assert (await proxy.breaker())["state"] == "open"
        # One failed probe: open again, for twice the time.
        await proxy.pass_time(5.6)
        assert (await proxy.ask()).status == 500
        await proxy.pass_time(8.9)
        assert (await proxy.ask()).status == 503
        assert len(backend.requests) == 11
        mood.answer = OK
        await proxy.pass_time(2.2)
        assert (await proxy.breaker())["state"] == "half_open"
        assert [(await proxy.ask()).status for _ in range(3)] == [200] * 3
        told = await proxy.breaker()
        assert (told["state"], told["requests"], told["leases"]) == ("closed", 0, 0)
        moves = [event.text for event in proxy.stats.events.recent if event.subject == "upstream.app"]
        assert [text.partition(":")[0] for text in moves] == [
            "closed to open",
            "open to half_open",
            "half_open to open",
            "open to half_open",
            "half_open to closed",
        ]


async def test_half_open_lets_three_probes_through_at_a_time() -> None:
    async with Backend() as backend:
        gate = asyncio.Semaphore(0)

        async def answer(call: Call) -> None:
            await call.body()
            if len(backend.requests) <= 10:
                await call.send(ERROR)
                return
            await gate.acquire()
            await call.send(OK)

        backend.script = [answer]
        async with (
            running(given=example("circuit-breaker", backend.url), clock=Clock()) as proxy,
            asyncio.TaskGroup() as clients,
        ):
            for _ in range(10):
                await proxy.ask()
            await proxy.pass_time(5.6)
            asked = [clients.create_task(proxy.ask()) for _ in range(30)]
            await proxy.until(lambda: proxy.heard() == 40 and proxy.in_flight() == 3)
            await backend.wait_requests(13)
            assert (await proxy.breaker())["leases"] == 3
            for _ in range(3):
                gate.release()
            assert Counter([(await one).status for one in asked]) == {200: 3, 503: 27}
            assert (await proxy.breaker())["state"] == "closed"
            assert len(backend.requests) == 13


async def test_a_route_has_a_breaker_of_its_own_and_one_in_shadow_refuses_nobody() -> None:
    mood = Moody(ERROR)
    sets = ["upstreams.app.circuit_breaker=null"]
    async with (
        Backend(mood) as backend,
        running(given=example("circuit-breaker", backend.url, sets=sets), clock=Clock()) as proxy,
    ):
        assert [(await proxy.ask()).status for _ in range(30)] == [500] * 30
        everything = (await proxy.status())["routes"][1]
        assert (await proxy.breaker("route.everything"))["state"] == "open"
        assert everything["shadow_rejected_by"]["everything/circuit_breaker"] > 0
        assert [(await proxy.ask("/login")).status for _ in range(12)] == [500] * 10 + [503] * 2


async def test_a_retry_is_seen_by_the_backend_and_not_by_the_client() -> None:
    async with (
        Backend(UNAVAILABLE, UNAVAILABLE, OK) as backend,
        running(given=example("retries", backend.url), clock=Clock()) as proxy,
    ):
        assert (await proxy.ask_in_time("/", "X-Kept: yes")).status == 200
        attempts = [request.get("x-sidecar-attempt") for request in backend.requests]
        assert attempts == [None, b"2", b"3"]
        # Apart from that they are the same request.
        assert {request.get("x-kept") for request in backend.requests} == {b"yes"}
        assert len({request.get("x-request-id") for request in backend.requests}) == 1
        assert (await proxy.status())["routes"][-1]["retries"] == {"503": 2}


async def test_the_third_failure_is_the_answer() -> None:
    async with (
        Backend(UNAVAILABLE) as backend,
        running(given=example("retries", backend.url), clock=Clock()) as proxy,
    ):
        answer = await proxy.ask_in_time()
        assert (answer.status, answer.get("proxy-status")) == (503, None)  # the backend's own
        assert len(backend.requests) == 3


async def test_which_posts_are_sent_again_the_routes_say() -> None:
    async def attempts(target: str, method: str, *fields: str, body: bytes = b"x") -> int:
        async with (
            Backend(UNAVAILABLE) as backend,
            running(given=example("retries", backend.url), clock=Clock()) as proxy,
        ):
            assert (await proxy.ask_in_time(target, *fields, method=method, body=body)).status == 503
            assert {request.body for request in backend.requests} == {body}
            return len(backend.requests)

    assert await attempts("/", "POST") == 1
    assert await attempts("/", "POST", "Idempotency-Key: 1") == 3
    assert await attempts("/", "PUT") == 3
    assert await attempts("/search", "POST") == 3
    assert await attempts("/orders", "POST", "Idempotency-Key: 1") == 1
    assert await attempts("/reports", "GET") == 1
    assert await attempts("/", "PUT", body=b"x" * 70_000) == 1
    assert await attempts("/uploads", "PUT", body=b"x" * 70_000) == 3


async def test_a_fixed_reply_stands_in_for_errors_of_reading() -> None:
    mood = Moody()
    async with Backend(mood) as backend, running(given=example("fallback-static", backend.url)) as proxy:
        assert (await proxy.ask("/recommendations")).body == b"ok"
        mood.answer = UNAVAILABLE
        fallen = await proxy.ask("/recommendations")
        assert (fallen.status, fallen.body) == (200, b'{"items": []}')
        assert fallen.get("x-degraded") == b"true"
        assert fallen.get("content-type") == b"application/json"
        assert b"fallback=static; 503" in (fallen.get("proxy-status") or b"")
        assert (await proxy.ask("/recommendations", method="POST")).status == 503
        mood.answer = ERROR
        assert (await proxy.ask("/recommendations")).status == 500  # not among the causes
        assert (await proxy.ask("/other")).status == 500
    with refusing() as port:
        away = example("fallback-static", f"http://127.0.0.1:{port}", sets=["upstreams.app.hold=null"])
        async with running(given=away) as proxy:
            fallen = await proxy.ask("/recommendations")
            assert (fallen.status, fallen.body) == (200, b'{"items": []}')
            assert b"fallback=static; connect_failure" in (fallen.get("proxy-status") or b"")
            assert (await proxy.ask("/other")).status == 502


async def test_the_last_good_answer_is_served_with_its_age_until_it_is_too_old_or_changed() -> None:
    good = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Version: 7\r\nContent-Length: 5\r\n\r\nshoes"
    mood = Moody(good)
    async with (
        Backend(mood) as backend,
        running(given=example("fallback-stale", backend.url), clock=Clock()) as proxy,
    ):
        for target in ("/catalog/1", "/catalog/2"):
            assert (await proxy.ask_in_time(target)).body == b"shoes"
        mood.answer = UNAVAILABLE
        await proxy.pass_time(90)
        stale = await proxy.ask_in_time("/catalog/1")
        assert (stale.status, stale.body, stale.get("x-version")) == (200, b"shoes", b"7")
        assert stale.get("age") == b"90"
        assert b"fallback=stale; 503" in (stale.get("proxy-status") or b"")
        assert (await proxy.ask_in_time("/catalog/3")).status == 503  # never seen
        mood.answer = OK
        assert (await proxy.ask_in_time("/catalog/2", method="PUT")).status == 200
        mood.answer = UNAVAILABLE
        assert (await proxy.ask_in_time("/catalog/2")).status == 503  # what it was is no longer true
        await proxy.pass_time(1720)
        assert (await proxy.ask_in_time("/catalog/1")).status == 503


async def test_an_endpoint_that_fails_is_left_out_and_comes_back() -> None:
    mood = Moody(ERROR)
    async with Backend(mood) as bad, Backend() as good, Backend() as other:
        urls = (bad.url, good.url, other.url)
        async with running(given=example("ejection", *urls), clock=Clock(), seed=3) as proxy, proxy.peer() as peer:
            for _ in range(60):
                await peer.get()
            assert len(bad.requests) == 5
            (told,) = [
                one
                for one in (await proxy.status())["upstreams"][0]["endpoints"]
                if one["ejection"]["state"] == "ejected"
            ]
            assert told["name"] == f"app/127.0.0.1:{bad.port}"
            await proxy.pass_time(29.9)
            assert {(await peer.get()).status for _ in range(60)} == {200}
            assert len(bad.requests) == 5
            mood.answer = OK
            await proxy.pass_time(0.2)
            for _ in range(60):
                await peer.get()
            assert len(bad.requests) > 5


async def test_one_endpoint_of_three_may_be_out_and_never_the_last() -> None:
    moods = [Moody(ERROR), Moody(ERROR)]
    async with Backend(moods[0]) as one, Backend(moods[1]) as two:
        async with running(given=example("ejection", one.url), clock=Clock()) as proxy:
            # Ten, until the upstream's breaker opens; it is what decides on a single endpoint.
            assert [(await proxy.ask()).status for _ in range(12)] == [500] * 10 + [503] * 2
            assert len(one.requests) == 10
        async with running(given=example("ejection", one.url, two.url), clock=Clock(), seed=1) as proxy:
            for _ in range(40):
                await proxy.ask()
            endpoints = (await proxy.status())["upstreams"][0]["endpoints"]
            assert sorted(told["ejection"]["state"] for told in endpoints) == ["available", "ejected"]


async def test_an_endpoint_that_comes_back_gets_its_share_little_by_little() -> None:
    mood = Moody(ERROR)
    async with (
        Backend(mood) as cold,
        Backend() as warm,
        running(given=example("slow-start", cold.url, warm.url), clock=Clock(), seed=5) as proxy,
        proxy.peer() as peer,
    ):
        while len(cold.requests) < 5:
            await peer.get()
        mood.answer = OK
        await proxy.pass_time(30)
        share = []
        for _ in range(3):
            before = len(cold.requests)
            for _ in range(300):
                await peer.get()
            share.append((len(cold.requests) - before) / 300)
            await proxy.pass_time(30)
        # A tenth to ten tenths, then a half to one, then one to one.
        assert 0.04 < share[0] < 0.15, share
        assert 0.23 < share[1] < 0.43, share
        assert 0.4 < share[2] < 0.6, share
