"""What an operator says over the admin address changes what clients get, until it is taken back."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.doubles.backend import Backend
from tests.doubles.clock import Clock
from tests.doubles.running import rules_text, running
from tests.doubles.steps import ERROR

BREAKER = "circuit_breaker: {consecutive_failures: 3, open_for: 5s}"


async def test_a_breaker_held_open_refuses_until_it_is_given_back() -> None:
    async with (
        Backend() as backend,
        running(rules=rules_text(backend.url, upstream=BREAKER, route="retry: null"), clock=Clock()) as proxy,
    ):
        assert (await proxy.ask()).status == 200
        assert (await proxy.admin("POST", "/breakers/upstream.app/open")).status == 200
        refused = await proxy.ask()
        assert (refused.status, refused.problem["reason"]) == (503, "circuit_open")
        assert refused.get("retry-after") is None  # nobody knows
        await proxy.pass_time(3600)
        assert (await proxy.ask()).status == 503
        told = await proxy.breaker()
        assert (told["state"], told["forced"], told["open_remaining"]) == ("open", "open", None)
        assert (await proxy.admin("POST", "/breakers/upstream.app/auto")).status == 200
        assert (await proxy.ask()).status == 200
        assert len(backend.requests) == 2
        kinds = [event.kind for event in proxy.stats.events.recent]
        assert kinds.count("command") == 2


async def test_a_breaker_held_closed_lets_failures_through_until_it_is_given_back() -> None:
    async with (
        Backend(ERROR) as backend,
        running(rules=rules_text(backend.url, upstream=BREAKER, route="retry: null"), clock=Clock()) as proxy,
    ):
        assert (await proxy.admin("POST", "/breakers/upstream.app/close")).status == 200
        assert [(await proxy.ask()).status for _ in range(20)] == [500] * 20
        assert (await proxy.breaker())["forced"] == "close"
        assert (await proxy.admin("POST", "/breakers/upstream.app/auto")).status == 200
        assert [(await proxy.ask()).status for _ in range(5)] == [500] * 3 + [503] * 2
        assert len(backend.requests) == 23


async def test_a_breaker_that_is_open_can_be_closed_by_hand() -> None:
    async with (
        Backend(ERROR, ERROR, ERROR, b"HTTP/1.1 204 No Content\r\n\r\n") as backend,
        running(rules=rules_text(backend.url, upstream=BREAKER, route="retry: null"), clock=Clock()) as proxy,
    ):
        assert [(await proxy.ask()).status for _ in range(4)] == [500] * 3 + [503]
        assert (await proxy.admin("POST", "/breakers/upstream.app/close")).status == 200
        assert (await proxy.ask()).status == 204
        assert (await proxy.admin("POST", "/breakers/upstream.app/auto")).status == 200
        assert (await proxy.ask()).status == 204
        assert len(backend.requests) == 5


@pytest.mark.parametrize("target", ["/breakers/upstream.nobody/open", "/breakers/upstream.app/explode"])
async def test_a_breaker_or_verb_that_is_not_there_changes_nothing(target: str) -> None:
    async with Backend() as backend, running(rules=rules_text(backend.url, upstream=BREAKER)) as proxy:
        assert (await proxy.admin("POST", target)).status == 404
        assert (await proxy.admin("GET", "/breakers/upstream.app/open")).status == 405
        assert (await proxy.ask()).status == 200


@pytest.mark.parametrize("encoded", [True, False])
async def test_a_drained_endpoint_gets_nothing_and_takes_part_again_when_it_is_ready(encoded: bool) -> None:
    async with (
        Backend() as one,
        Backend() as two,
        running(one.url, two.url, sets=["upstreams.app.balance=round_robin"]) as proxy,
    ):
        name = f"app/127.0.0.1:{one.port}"
        name = quote(name, safe="") if encoded else name
        assert (await proxy.admin("POST", f"/endpoints/{name}/drain")).status == 200
        for _ in range(10):
            assert (await proxy.ask()).status == 200
        assert (len(one.requests), len(two.requests)) == (0, 10)
        assert (await proxy.admin("POST", f"/endpoints/{name}/ready")).status == 200
        for _ in range(10):
            assert (await proxy.ask()).status == 200
        assert (len(one.requests), len(two.requests)) == (5, 15)


async def test_an_upstream_that_is_drained_whole_answers_503_and_is_not_ready() -> None:
    async with Backend() as backend, running(backend.url, sets=["upstreams.app.hold=null"]) as proxy:
        name = quote(f"app/127.0.0.1:{backend.port}", safe="")
        assert (await proxy.admin("GET", "/readyz")).status == 200
        assert (await proxy.admin("POST", f"/endpoints/{name}/drain")).status == 200
        answer = await proxy.ask()
        assert (answer.status, answer.problem["reason"]) == (503, "no_endpoint")
        assert (await proxy.admin("GET", "/readyz")).status == 503
        assert (await proxy.admin("POST", f"/endpoints/{name}/ready")).status == 200
        assert (await proxy.ask()).status == 200
        assert (await proxy.admin("GET", "/readyz")).status == 200
        assert len(backend.requests) == 1


async def test_an_ejected_endpoint_is_taken_back_by_hand() -> None:
    async with Backend(ERROR, ERROR, b"HTTP/1.1 204 No Content\r\n\r\n") as one, Backend() as two:
        rules = rules_text(
            one.url,
            two.url,
            upstream="balance: round_robin, circuit_breaker: null, "
            "ejection: {consecutive_failures: 2, base: 1h, max: 1h}",
            route="retry: null",
        )
        async with running(rules=rules, clock=Clock()) as proxy:
            for _ in range(10):
                await proxy.ask()
            assert len(one.requests) == 2
            name = quote(f"app/127.0.0.1:{one.port}", safe="")
            assert (await proxy.admin("POST", f"/endpoints/{name}/ready")).status == 200
            for _ in range(4):
                assert (await proxy.ask()).status in (200, 204)
            assert len(one.requests) == 4
