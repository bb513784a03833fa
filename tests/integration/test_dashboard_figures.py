"""The dashboard's arithmetic, in the browser that runs it: quantiles, rates, words, and what is wrong, sorted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.doubles.browser import browsing, launched
from tests.doubles.told_status import BUCKETS, Told, breaker, endpoint, latency, route, served, status, upstream

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def chromium() -> AsyncIterator[Browser]:
    async with launched() as browser:
        yield browser


async def call(page: Page, module: str, code: str, *arguments: Any) -> Any:
    """What an expression over a module of the page, `m`, makes of the arguments, `a`."""
    script = f"async (a) => {{ const m = await import('/dashboard/{module}.js'); return {code}; }}"
    return await page.evaluate(script, list(arguments))


async def test_quantiles_are_interpolated_as_prometheus_does(chromium: Browser) -> None:
    cases = [
        (0.5, [0.1, 0.2, 0.4], [0, 10, 0, 0], 0.15),  # half way into the bucket
        (0.5, [0.1, 0.2, 0.4], [10, 0, 0, 0], 0.05),  # the first begins at nothing
        (0.9, [0.1, 0.2, 0.4], [5, 3, 2, 0], 0.3),
        (1.0, [0.1, 0.2, 0.4], [1, 1, 0, 0], 0.2),
        (0.99, [0.1, 0.2, 0.4], [0, 0, 0, 7], 0.4),  # above all bounds: the last of them
        (0.0, [0.1, 0.2, 0.4], [0, 4, 0, 0], 0.1),
        (0.5, [0.1, 0.2, 0.4], [0, 0, 0, 0], None),
        (0.5, [], [], None),
    ]
    async with served(Told()) as url, browsing(chromium, url) as page:
        for q, bounds, counts, expected in cases:
            found = await call(page, "figures", "m.quantile(...a)", q, bounds, counts)
            assert found == expected or abs(found - expected) < 1e-9, (q, counts, found)


async def test_rates_are_of_ten_seconds_and_begin_anew_with_another_life(chromium: Browser) -> None:
    def looked(pace: int) -> list[dict[str, Any]]:
        return [status(routes=[route("api", requests=10 * n)], uptime_seconds=100.0 + n * pace) for n in range(15)]

    looks = looked(1)
    keep = (
        "(() => { const h = new m.History(); const born = a[0].map((s, n) => h.add(s, n * a[1])); const v = h.view(); \
        return [v.seconds, m.routeFigures(v, v.status.routes[0]).requests, born.includes(true)]; })()"
    )
    async with served(Told()) as url, browsing(chromium, url) as page:
        assert await call(page, "figures", keep, looks, 1) == [10, 10, False]
        # One that looks slowly compares with the look before, one that has just begun with the first.
        assert await call(page, "figures", keep, looked(30), 30) == [30, 10 / 30, False]
        assert await call(page, "figures", keep, looks[:4], 1) == [3, 10, False]
        assert await call(page, "figures", keep, looks[:1], 1) == [0, None, False]
        reborn = [*looks, status(routes=[route("api", requests=3)], uptime_seconds=1.0)]
        assert await call(page, "figures", keep, reborn, 1) == [0, None, True]
        # A counter that is smaller than before began anew, a bucket too.
        assert await call(page, "figures", "m.gained(...a)", 50, 3) == 3
        assert await call(page, "figures", "m.gainedBuckets(...a)", [1, 5], [3, 2]) == [2, 2]


async def test_what_lies_apart_is_not_compared(chromium: Browser) -> None:
    """Looks are `[time, seen, uptime, routes]`; what is told is the seconds of the view, and whether it is reborn."""
    code = "(() => { const h = new m.History(); \
        const s = (u, r) => ({uptime_seconds: u, routes: r ? [{name: 'api'}] : []}); \
        const born = a.map(([t, n, u, r]) => h.add(s(u, r), t, n)); return [h.view().seconds, born.at(-1)]; })()"
    cases = [
        ([[0, 0, 100, 1], [1, 1, 101, 1]], [1, False]),
        ([[0, 0, 100, 1], [60, 60, 160, 1]], [0, False]),  # the tab was hidden
        ([[0, 0, 100, 1], [60, 60, 50, 1]], [0, True]),
        ([[0, 0, 100, 1], [600, 600, 590, 1]], [0, True]),  # older than the one before was, and yet another
        ([[3600, 0, 100, 1], [1, 1, 101, 1]], [0, False]),  # somebody set the clock back
        ([[0, 0, 100, 0], [1, 1, 101, 1]], [0, False]),  # no worker had told its routes
        ([[0, 0, 100, 1], [1, 6, 101, 1]], [1, False]),  # the answer was long under way
    ]
    async with served(Told()) as url, browsing(chromium, url) as page:
        for looks, expected in cases:
            assert await call(page, "figures", code, *looks) == expected, looks


async def test_totals_are_of_all_routes_and_their_refusals(chromium: Browser) -> None:
    before = status(routes=[route("a"), route("b")])
    routes = [
        route("a", requests=30, statuses={"2xx": 20, "5xx": 10}, in_flight=2, latency=latency(*[0] * 3, 30)),
        route("b", requests=10, statuses={"4xx": 10}, in_flight=1, refused={"b/all": {"rate_limited": 10}}),
    ]
    code = "(() => { const h = new m.History(); h.add(a[0], 0); h.add(a[1], 10); const v = h.view(); \
        return m.totals(v, v.status.routes.map((r) => m.routeFigures(v, r))); })()"
    async with served(Told()) as url, browsing(chromium, url) as page:
        told = await call(page, "figures", code, before, status(routes=routes))
    assert (told["requests"], told["refused"], told["inFlight"], told["errors"]) == (4, 1, 3, 0.25)
    bounds = status()["latency_bounds"]
    assert bounds[2] < told["p50"] < told["p99"] <= bounds[3]
    assert len(latency()["buckets"]) == BUCKETS


async def test_numbers_are_written_short_and_units_are_named(chromium: Browser) -> None:
    cases = [
        ("perSecond", 0, "0"),
        ("perSecond", 0.04, "<0.1"),
        ("perSecond", 12.34, "12.3"),
        ("perSecond", 1234, "1,234"),
        ("perSecond", 12345, "12.3k"),
        ("perSecond", None, "–"),
        ("percent", 0, "0 %"),
        ("percent", 0.0004, "<0.1 %"),
        ("percent", 0.043, "4.3 %"),
        ("percent", 1, "100 %"),
        ("seconds", 0.0004, "0.4 ms"),
        ("seconds", 0.0123, "12 ms"),
        ("seconds", 1.254, "1.25 s"),
        ("age", 42, "42 s"),
        ("age", 200, "3 m 20 s"),
        ("age", 93784, "1 d 2 h"),
        ("left", 0.2, "1 s"),
        ("plain", {"a_b": [1, 2], "c": None}, "a_b 1, 2, c –"),
    ]
    async with served(Told()) as url, browsing(chromium, url) as page:
        found = [(name, value, await call(page, "words", f"m.{name}(...a)", value)) for name, value, _ in cases]
    assert found == cases


async def wrong(page: Page, told: dict[str, Any], *before: dict[str, Any]) -> list[list[str]]:
    """The alarms, as tone and text, after these looks."""
    code = "(async () => { const f = await import('/dashboard/figures.js'); const h = new f.History(); \
        a[0].forEach((s, n) => h.add(s, n * 10)); const v = h.view(); \
        return m.alarms(v, v.status.routes.map((r) => f.routeFigures(v, r))) \
        .map((one) => [one.tone, one.what, one.why]); })()"
    found: list[list[str]] = await call(page, "alarms", f"await {code}", [*before, told])
    return found


async def test_what_is_wrong_comes_in_the_order_of_its_gravity(chromium: Browser) -> None:
    endpoints = [
        endpoint("app/a", down=True, takes_attempts=False, why_down="Connection refused"),
        endpoint("app/b", drained=True, takes_attempts=False),
        endpoint("app/c", ejection={"state": "ejected", "seconds_left": 11.2}, takes_attempts=False),
        endpoint("app/d", pool={"in_use": 8, "idle": 0, "waiting": 3, "connecting": 0}),
        endpoint("app/e", workers={"taking_attempts": 1, "all": 4}),
    ]
    routes = [
        route(
            "api",
            requests=400,
            statuses={"5xx": 300},
            refused={"app/circuit_breaker": {"circuit_open": 100}, "api/all": {"rate_limited": 50}},
            shadow_refused={"api/new": {"rate_limited": 10}},
            retries_skipped={"budget": 20},
        ),
        route("b", requests=100, statuses={"5xx": 100}, refused={"app/circuit_breaker": {"circuit_open": 100}}),
    ]
    told = status(
        routes=routes,
        upstreams=[
            upstream(endpoints=endpoints, policies={"app/hold": {"held": 7, "max_requests": 9, "seconds": 3.0}})
        ],
        not_ready=["upstream app: 0 of 5 endpoints available"],
        breakers={"upstream.app": breaker("open", open_remaining=3.2, failures=8, requests=10)},
        loop_lag_seconds=0.4,
    )
    async with served(Told()) as url, browsing(chromium, url) as page:
        found = await wrong(page, told, status(routes=[route("api"), route("b")]))
    whats = [what for _tone, what, _why in found]
    assert whats == [
        "Not ready: upstream app: 0 of 5 endpoints available",
        "Breaker upstream.app is open",
        "Endpoint app/a is down",
        "Endpoint app/c is ejected",
        "20.0 a second refused by app/circuit_breaker: circuit_open",
        "Endpoint app/e is up in part",
        "The process is late by 400 ms",
        "7 requests of 9 held",
        "50 % of the answers of api are 5xx of the backend",
        "3 attempts wait for a connection to app/d",
        "5.0 a second refused by api/all: rate_limited",
        "2.0 retries a second of api are not made",
        "Endpoint app/b is drained",
        "1.0 a second would be refused by api/new: rate_limited",
    ]
    why = {what: why for _tone, what, why in found}
    assert why["Breaker upstream.app is open"] == "next probe in 4 s; 8 of 10 attempts failed, 0 were slow"
    assert why["Endpoint app/a is down"] == "Connection refused"
    assert why["Endpoint app/c is ejected"] == "12 s left"
    assert why["20.0 a second refused by app/circuit_breaker: circuit_open"].endswith("(on api, b)")


async def test_resources_that_run_out_and_a_reload_that_failed_are_told(chromium: Browser) -> None:
    memory = {"shedding": True, "resident_bytes": 300 << 20, "limit_bytes": 256 << 20}
    descriptors = {"limit": 100, "for_connections": 50, "needed": 49}
    last = {
        "result": "failed",
        "why": "SIGHUP",
        "generation": 3,
        "time": 0,
        "problems": ["s.yaml:1:2: error: no", "two"],
    }
    told = status(
        pressure={"accepting": True, "memory": memory, "descriptors": descriptors},
        reload={"last": last, "last_error": last},
        workers=[{"slot": 1, "phase": "starting", "restarts": 2}],
        breakers={"route.a": breaker("open", shadow=True), "route.b": breaker(forced="close")},
    )
    nothing_accepted = {"accepting": False, "memory": {"shedding": False}, "descriptors": descriptors}
    async with served(Told()) as url, browsing(chromium, url) as page:
        found = await wrong(page, told)
        assert [tone for tone, *_ in found] == ["bad", "bad", "warn", "warn", "warn", "note"]
        whys = {what: why for _tone, what, why in found}
        assert whys["New requests are refused: memory"] == "300 MiB resident, the limit is 256 MiB"
        assert whys["The last reload failed (SIGHUP); generation 3 stays in force"] == "s.yaml:1:2: error: no\ntwo"
        assert whys["Descriptors run out"] == "49 of 50 are needed"
        assert whys["Worker 1 is starting"] == "restarted 2 times"
        assert whys["Breaker route.b is held closed"] == "by hand, until Auto"
        assert "in shadow: refuses nobody" in whys["Breaker route.a is open"]
        assert (await wrong(page, status(pressure=nothing_accepted)))[0][1] == "New connections wait"
        assert await wrong(page, status()) == []
