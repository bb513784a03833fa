"""A backend that is stopped and started again while clients keep asking: with `hold`, none of them sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sidecar.runtime.endpoint import Endpoint
from sidecar.runtime.upstream import Sentinel, Upstream
from tests.doubles.backend import Backend, refusing
from tests.doubles.clock import Clock
from tests.doubles.running import RunningProxy, example, rules_text, running

CLIENTS = 4
ROUNDS = 4
BETWEEN = 40  # answers between two restarts: what is cut then is no large share of what a breaker counts


class Watch(Sentinel):
    """Notes who is gone; that somebody is back is for the test to say."""

    def __init__(self) -> None:
        self.lost: list[Endpoint] = []

    def unreachable(self, endpoint: Endpoint) -> None:
        self.lost.append(endpoint)


def watched(proxy: RunningProxy) -> tuple[Upstream, Watch]:
    """The proxy's upstream, under a watch that a test holds in its hand."""
    upstream = proxy.proxy.current.runtime.upstreams["app"]
    watch = Watch()
    upstream.sentinel = watch
    return upstream, watch


def held(upstream: Upstream) -> int:
    assert upstream.hold is not None
    number = upstream.hold.snapshot(0.0)["held"]
    assert isinstance(number, int)
    return number


def back(proxy: RunningProxy, upstream: Upstream) -> None:
    """Somebody has found the backend well."""
    upstream.mark_up(proxy.proxy.environment.wheel.now(), upstream.endpoints[0])


class Clients:
    """Clients that each ask again as soon as they have their answer."""

    def __init__(self, proxy: RunningProxy) -> None:
        self.proxy = proxy
        self.statuses: list[int] = []
        self.over = False

    async def one(self) -> None:
        """One of them, until it is over."""
        while not self.over:
            self.statuses.append((await self.proxy.ask()).status)

    async def answered(self, more: int) -> None:
        """Waits for so many more answers."""
        wanted = len(self.statuses) + more
        await self.proxy.until(lambda: len(self.statuses) >= wanted)


def rules(port: int) -> str:
    """A hold, and retries for what is in progress when the backend is cut, which is not what is asked here."""
    hold, retry = "hold: {timeout: 60s, release: 100/s}", "retry: {max_attempts: 10, budget: null}"
    return rules_text(
        f"http://127.0.0.1:{port}", upstream=hold, route=f"{retry}, timeout: {{request: 60s, attempt: 30s}}"
    )


async def restarts(proxy: RunningProxy, port: int, started: Callable[[], None]) -> list[int]:
    """The backend comes and goes under a steady load; `started` is called when it is there. What clients were told."""
    upstream = proxy.proxy.current.runtime.upstreams["app"]
    clients = Clients(proxy)
    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(clients.one()) for _ in range(CLIENTS)]
        for left in reversed(range(ROUNDS)):
            await proxy.until(lambda: held(upstream) == CLIENTS)
            async with Backend(port=port):
                started()
                await clients.answered(BETWEEN)
                if left == 0:
                    clients.over = True
                    await asyncio.gather(*asking)
    return clients.statuses


async def test_a_backend_that_is_restarted_again_and_again_under_load_is_seen_by_no_client() -> None:
    with refusing() as port:
        async with running(rules=rules(port)) as proxy:
            upstream, watch = watched(proxy)
            statuses = await restarts(proxy, port, lambda: back(proxy, upstream))
            assert set(statuses) == {200}
            assert watch.lost == list(upstream.endpoints) * ROUNDS
            texts = [event.text for event in proxy.stats.events.recent if event.kind == "hold"]
            assert texts.count("holding: no endpoint of app is available") == ROUNDS
            assert sum(text.startswith(f"released {CLIENTS} held requests after ") for text in texts) == ROUNDS
            counts = proxy.stats.upstreams["app"].hold
            assert counts["held"] == counts["released"] >= CLIENTS
            assert set(counts) == {"held", "released"}


async def test_without_a_health_check_the_sidecar_itself_notices_that_the_backend_is_back() -> None:
    with refusing() as port:
        async with running(rules=rules(port)) as proxy:
            statuses = await restarts(proxy, port, lambda: None)
            assert set(statuses) == {200}
            counts = proxy.stats.upstreams["app"].hold
            assert set(counts) == {"held", "released"}


async def test_the_example_holds_any_request_and_its_body_until_the_backend_is_there() -> None:
    with refusing() as port:
        given = example("hold", f"http://127.0.0.1:{port}")
        async with running(given=given, clock=Clock()) as proxy, asyncio.TaskGroup() as group:
            upstream, watch = watched(proxy)
            first = group.create_task(proxy.ask())
            second = group.create_task(proxy.ask("/orders", method="POST", body=b"a body"))
            await proxy.until(lambda: held(upstream) == 2)
            assert watch.lost == list(upstream.endpoints)
            told = (await proxy.status())["upstreams"][0]["policies"]["app/hold"]
            assert (told["held"], told["max_requests"]) == (2, 100)
            assert b'sidecar_held_requests{upstream="app"} 2.0' in (await proxy.admin("GET", "/metrics")).body
            async with Backend(port=port) as backend:
                back(proxy, upstream)
                await proxy.until(lambda: held(upstream) == 1)
                await proxy.pass_time(0.03)
                assert [(await one).status for one in (first, second)] == [200, 200]
                assert sorted(request.body for request in backend.requests) == [b"", b"a body"]
            assert proxy.stats.routes["everything"].retries == {}


async def test_the_example_refuses_after_its_timeout_by_the_name_of_the_rule() -> None:
    with refusing() as port:
        given = example("hold", f"http://127.0.0.1:{port}")
        async with running(given=given, clock=Clock()) as proxy, asyncio.TaskGroup() as group:
            upstream, _ = watched(proxy)
            asked = group.create_task(proxy.ask())
            await proxy.until(lambda: held(upstream) == 1)
            await proxy.pass_time(5.1)
            refused = await asked
            assert refused.status == 503
            assert (refused.problem["reason"], refused.problem["rule"]) == ("no_endpoint", "app/hold")
            assert refused.get("retry-after") is None
            assert proxy.stats.upstreams["app"].hold == {"held": 1, "timed_out": 1}


async def test_what_an_operator_drains_holds_requests_until_it_is_ready_again() -> None:
    async with Backend() as backend, running(given=example("hold", backend.url)) as proxy, asyncio.TaskGroup() as group:
        upstream, _ = watched(proxy)
        name = upstream.endpoints[0].name
        assert (await proxy.admin("POST", f"/endpoints/{name}/drain")).status == 200
        asked = group.create_task(proxy.ask())
        await proxy.until(lambda: held(upstream) == 1)
        assert (await proxy.admin("POST", f"/endpoints/{name}/ready")).status == 200
        assert (await asked).status == 200
        assert len(backend.requests) == 1


async def test_a_client_that_leaves_is_held_no_longer() -> None:
    with refusing() as port:
        async with running(given=example("hold", f"http://127.0.0.1:{port}")) as proxy:
            upstream, _ = watched(proxy)
            async with proxy.peer() as peer:
                await peer.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
                await proxy.until(lambda: held(upstream) == 1)
            await proxy.until(lambda: held(upstream) == 0)
            assert proxy.stats.upstreams["app"].hold == {"held": 1, "left": 1}
            await proxy.quiet()
