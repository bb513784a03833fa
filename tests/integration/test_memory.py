"""Nothing that an exchange made is left to the garbage collector, which frees late and all at once."""

from __future__ import annotations

import gc

import pytest

from tests.doubles.backend import Backend, Call, refusing
from tests.doubles.running import rules_text, running
from tests.integration.test_tunnels import SWITCH, UPGRADE

COUNT = 50
KINDS = ("Corridor", "Decision", "RequestHead", "ResponseHead", "RequestIds", "BodyBuffer")


def alive() -> dict[str, int]:
    """How many of each kind the process holds, uncollected ones too."""
    counts = dict.fromkeys(KINDS, 0)
    for one in gc.get_objects():
        name = type(one).__name__
        if name in counts:
            counts[name] += 1
    return counts


@pytest.mark.parametrize(
    ("route", "answered"),
    [
        ("", 200),
        ("rate_limits: [{name: one, rate: 1/h, burst: 1}]", 429),
        ("concurrency: {max: 8}, fallback: {on: [503], status: 200, body: ok}", 200),
    ],
    ids=["plain", "refused", "with a permit"],
)
async def test_exchanges_leave_no_cycle_behind(route: str, answered: int) -> None:
    async with Backend() as backend, running(rules=rules_text(backend.url, route=route)) as proxy, proxy.peer() as peer:
        await peer.get()
        gc.collect()
        gc.disable()
        try:
            before = alive()
            for _ in range(COUNT):
                answer = await peer.get()
            assert answer.status == answered
            after = alive()
        finally:
            gc.enable()
    assert {kind: after[kind] - before[kind] for kind in KINDS if after[kind] > before[kind] + 2} == {}


async def test_failures_and_retries_leave_no_cycle_behind() -> None:
    with refusing() as port:
        rules = rules_text(
            f"http://127.0.0.1:{port}",
            upstream="circuit_breaker: null, hold: null",
            route="retry: {backoff: {base: 1ms, max: 2ms}}",
        )
        async with running(rules=rules) as proxy, proxy.peer() as peer:
            await peer.get()
            gc.collect()
            gc.disable()
            try:
                before = alive()
                for _ in range(COUNT):
                    answer = await peer.get()
                assert answer.status == 502
                after = alive()
            finally:
                gc.enable()
    assert {kind: after[kind] - before[kind] for kind in KINDS if after[kind] > before[kind] + 2} == {}


async def test_tunnels_that_clients_cut_leave_no_cycle_behind() -> None:
    async def switching(call: Call) -> None:
        await call.send(SWITCH)
        await call.connection.gone.wait()

    kinds = ("Corridor", "Decision", "DownstreamConnection", "Tunnel", "UpstreamConnection")

    def counted() -> list[str]:
        return [name for one in gc.get_objects() if (name := type(one).__name__) in kinds]

    async with Backend(switching) as backend, running(backend.url) as proxy:
        gc.collect()
        gc.disable()
        try:
            for _ in range(10):
                async with proxy.peer() as peer:
                    await peer.send(UPGRADE)
                    await peer.head()
                    peer.reset()
                await proxy.quiet()
            left = counted()
        finally:
            gc.enable()
    assert len(left) <= 4, left
