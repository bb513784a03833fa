"""Whatever clients send, the page of metrics stays small, and counts every request once."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from benchmarks.cardinality import Storm, backend, counted, problems, rules
from tests.doubles.crew import crew
from tests.doubles.process import process

REQUESTS = 20_000


async def test_requests_that_no_two_are_alike_neither_grow_the_metrics_nor_escape_them(tmp_path: Path) -> None:
    async with backend() as site:
        file = tmp_path / "rules.yaml"
        file.write_text(rules(site.port))
        async with process(rules=file) as proxy:
            storm = Storm(proxy.port, REQUESTS, seed=7)
            async with asyncio.timeout(240):
                await storm.rage(connections=16)
            assert storm.sent == REQUESTS
            text = (await proxy.admin("GET", "/metrics")).body.decode()
            assert problems(text, REQUESTS, site.answered) == []
            # Every status that nobody has registered is among its class, every invented method among the others.
            assert {400, 404, 429} < storm.statuses
            assert all(word in text for word in ('status="2xx"', 'status="5xx"', 'method="OTHER"'))
            refused = {route["name"]: route["refused"] for route in (await proxy.status())["routes"]}
            told = sum(sum(reasons.values()) for rules in refused.values() for reasons in rules.values())
            assert told == counted(text, "sidecar_rejections_total")
            assert refused["limited"]["limited/per-caller"]["rate_limited"] > 0


@pytest.mark.skipif(sys.platform != "linux", reason="several workers need memory files")
async def test_of_several_workers_the_sums_are_those_of_all_requests(tmp_path: Path) -> None:
    async with backend() as site:
        file = tmp_path / "rules.yaml"
        file.write_text(rules(site.port))
        async with crew(rules=file) as one:
            storm = Storm(one.proxy.port, 4000, seed=8)
            await storm.rage(connections=16)
            assert storm.sent == 4000
            page = (await one.proxy.admin("GET", "/metrics")).body.decode()
            assert problems(page, 4000, site.answered) == []
            told = await one.proxy.status()
            assert sum(route["latency"]["count"] for route in told["routes"]) == 4000
            assert [upstream["latency"]["count"] for upstream in told["upstreams"]] == [site.answered]
            (limited,) = [route["refused"] for route in told["routes"] if route["name"] == "limited"]
            assert limited["limited/per-caller"]["rate_limited"] > 0


def test_a_request_that_is_not_counted_is_a_problem() -> None:
    page = """
sidecar_requests_total{a="b"} 1.0
sidecar_requests_total{a="c"} 2.0
sidecar_request_duration_seconds_count{a="b"} 3.0
sidecar_rejections_total 1.0
sidecar_attempts_total 2.0
sidecar_attempt_duration_seconds_count 2.0
"""
    assert problems(page, 3, 2) == []
    assert problems(page, 4, 3)[0] == "sidecar_requests_total is 3, not 4"
    assert problems(page + "#" * 200 * 1024, 3, 2) == [f"the page is {len(page) + 200 * 1024} bytes long"]
