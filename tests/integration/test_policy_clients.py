"""Whom a limit for each client takes for a client, and what each of them gets."""

from __future__ import annotations

from collections import Counter
from contextlib import AsyncExitStack

import pytest

from tests.doubles.backend import Backend
from tests.doubles.clock import TICK, Clock
from tests.doubles.running import rules_text, running

RATE = 50
BURST = 10
LIMIT = f"rate_limits: [{{name: per-client, rate: {RATE}/s, burst: {BURST}, key: client_ip}}]"
ONE_EACH = "rate_limits: [{name: per-client, rate: 1/h, burst: 1, key: client_ip}]"


async def test_ten_clients_at_twice_their_limit_get_it_to_the_request() -> None:
    clock = Clock()
    sources = [f"127.0.0.{1 + number}" for number in range(1, 11)]
    admitted: Counter[str] = Counter()
    async with (
        Backend() as backend,
        running(rules=rules_text(backend.url, route=LIMIT), clock=clock) as proxy,
        AsyncExitStack() as stack,
    ):
        peers = {source: await stack.enter_async_context(proxy.peer(source=source)) for source in sources}
        began = clock()
        for tick in range(round(4 / TICK)):
            for source, peer in peers.items():
                for _ in range(2 if source != sources[0] else 2 + tick % 3):  # one of them is worse than the others
                    answer = await peer.get()
                    assert answer.status in (200, 429)
                    admitted[source] += answer.status == 200
            await proxy.pass_time(TICK)
        allowed = BURST + RATE * (clock() - began - TICK)
        for source in sources:
            assert abs(admitted[source] - allowed) <= 0.02 * allowed, (source, admitted[source], allowed)
            assert admitted[source] <= allowed + 1e-6
        assert len(backend.requests) == sum(admitted.values())


@pytest.mark.parametrize(
    "field", ["X-Forwarded-For: 10.9.8.{}", "Forwarded: for=10.9.8.{}", "X-Real-IP: 10.9.8.{}", "X-Client-IP: 1.1.1.{}"]
)
async def test_what_an_untrusted_peer_says_of_itself_changes_nothing(field: str) -> None:
    async with (
        Backend() as backend,
        running(rules=rules_text(backend.url, route=ONE_EACH), clock=Clock()) as proxy,
        proxy.peer() as peer,
    ):
        statuses = [(await peer.get("/", field.format(number))).status for number in range(5)]
        assert statuses == [200, 429, 429, 429, 429]


@pytest.mark.parametrize("field", ["X-Forwarded-For: {}", "Forwarded: {}"])
async def test_a_trusted_proxy_is_believed_from_the_right(field: str) -> None:
    forwarded = field.startswith("Forwarded")

    def chain(*hops: str) -> str:
        return field.format(", ".join(f"for={hop}" if forwarded else hop for hop in hops))

    rules = rules_text("http://127.0.0.1:1", route=ONE_EACH, listener="trusted_proxies: [127.0.0.0/8, 10.0.0.0/8]")
    async with Backend() as backend:
        rules = rules.replace("http://127.0.0.1:1", backend.url)
        async with running(rules=rules, clock=Clock()) as proxy, proxy.peer() as peer:

            async def status(*hops: str) -> int:
                return (await peer.get("/", chain(*hops))).status

            assert await status("203.0.113.1") == 200
            assert await status("203.0.113.1") == 429
            assert await status("203.0.113.2") == 200
            # What a client wrote itself is left of the first hop that nobody vouches for.
            assert await status("198.51.100.9", "203.0.113.1") == 429
            assert await status("203.0.113.77", "203.0.113.2", "10.1.2.3") == 429
            # No word of it is believed once a part makes no sense: the peer itself counts.
            assert await status("garbage") == 200
            assert await status("more garbage") == 429


async def test_one_ipv6_client_is_its_network_of_64_bits() -> None:
    async with Backend() as backend:
        rules = rules_text(backend.url, route=ONE_EACH, listener="trusted_proxies: [127.0.0.0/8]")
        async with running(rules=rules, clock=Clock()) as proxy, proxy.peer() as peer:
            hosts = ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1")
            statuses = [(await peer.get("/", f"X-Forwarded-For: {host}")).status for host in hosts]
            assert statuses == [200, 429, 200]


async def test_clients_of_one_table_that_is_full_push_out_nobody_who_is_limited() -> None:
    limit = "rate_limits: [{name: per-client, rate: 1/h, burst: 1, key: client_ip, max_keys: 100}]"
    async with Backend() as backend:
        rules = rules_text(backend.url, route=limit, listener="trusted_proxies: [127.0.0.0/8]")
        async with running(rules=rules, clock=Clock()) as proxy, proxy.peer() as peer:
            assert (await peer.get("/", "X-Forwarded-For: 203.0.113.1")).status == 200
            for number in range(150):
                await peer.get("/", f"X-Forwarded-For: 198.51.{number // 200}.{number % 200}")
            (route,) = (await proxy.status())["routes"]
            told = route["policies"]["everything/rate_limits"]["limits"]["per-client"]
            assert told["keys"] <= 100
            # No bucket here is full, so none goes silently.
            assert told["evictions"] == 51
