"""Where all connections of a listener are taken, those that carry nothing give way to whoever comes."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from tests.doubles.backend import OK, Backend, Call
from tests.doubles.clock import Clock
from tests.doubles.peer import Peer
from tests.doubles.running import RunningProxy, rules_text, running

MOST = 4
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


async def crowd(proxy: RunningProxy, opened: AsyncExitStack, first: bytes) -> list[Peer]:
    """All places taken by connections that say this, a tenth of a second between one and the next."""
    peers = []
    for count in range(MOST):
        peers.append(await opened.enter_async_context(proxy.peer()))
        await peers[-1].send(first)
        await proxy.until(lambda count=count: proxy.attached() == count + 1)  # type: ignore[misc]
        await proxy.pass_time(0.1)
    return peers


@pytest.mark.parametrize("begun", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\n"])
async def test_heads_that_do_not_come_keep_nobody_out(begun: bytes) -> None:
    async with Backend() as backend, AsyncExitStack() as opened:
        rules = rules_text(backend.url, listener=f"max_connections: {MOST}")
        async with running(rules=rules, clock=Clock()) as proxy:
            slow = await crowd(proxy, opened, begun)
            async with proxy.peer() as early:
                assert (await early.answer()).status == 503, "they may be about to speak"
            await proxy.until(lambda: proxy.attached() == MOST)
            await proxy.pass_time(1)
            async with proxy.peer() as peer:
                assert (await peer.get()).status == 200
                left = await slow[0].rest()
                assert left.startswith(b"HTTP/1.1 408") if begun else left == b""
                assert proxy.attached() == MOST
            assert proxy.stats.listeners["public"].gave_way == 1
            assert [event.kind for event in proxy.stats.events.recent].count("crowded") == 1
            for one in slow:
                await one.close()


async def test_idle_connections_keep_nobody_out_and_requests_under_way_are_never_touched() -> None:
    goes_on = asyncio.Event()

    async def once_told(call: Call) -> None:
        await goes_on.wait()
        await call.send(OK)

    async with Backend(*[OK] * MOST, once_told) as backend, AsyncExitStack() as opened:
        rules = rules_text(backend.url, listener=f"max_connections: {MOST}", route="timeout: {request: 60s}")
        async with running(rules=rules, clock=Clock()) as proxy:
            idle = await crowd(proxy, opened, GET)
            for peer in idle:
                assert (await peer.answer()).status == 200
            for peer in idle[:-1]:
                await peer.send(GET)
            await backend.wait_requests(2 * MOST - 1)
            await proxy.pass_time(2)
            async with proxy.peer() as newcomer:
                await newcomer.send(GET)
                assert await idle[-1].rest() == b""
                await backend.wait_requests(2 * MOST)
                async with proxy.peer() as late:
                    assert (await late.answer()).status == 503, "nobody can give way"
                goes_on.set()
                for peer in (*idle[:-1], newcomer):
                    assert (await peer.answer()).status == 200
            for peer in idle:
                await peer.close()
