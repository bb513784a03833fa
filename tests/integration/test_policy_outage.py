"""An outage of a single backend under a constant load: it is spared, found well again, and not run over.

Five hundred requests a second by the proxy's own clock. The backend answers 503 while it is out, because one that is
dead could not count what reaches it.
"""

from __future__ import annotations

import pytest

from tests.doubles.backend import OK, Backend, Call
from tests.doubles.clock import TICK, Clock
from tests.doubles.offered_load import OfferedLoad
from tests.doubles.running import RunningProxy, rules_text, running
from tests.doubles.steps import UNAVAILABLE

PER_TICK = 10
RATE = PER_TICK / TICK
SERVICE = 0.04  # seconds that the backend takes over an answer
OFFERED = int(RATE * SERVICE)  # requests at the backend at once, when nothing is wrong
PROBES = 3
OPEN_FOR = 2.0

BREAKERS = {
    "ratio": "failure_ratio: 0.5, min_requests: 20, window: 1s",
    "consecutive": "failure_ratio: 1, min_requests: 100000, consecutive_failures: 10",
}


class Service:
    """A backend that takes its time by the proxy's clock; it counts who comes and who is there at once."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.out = False
        self.calls = 0
        self.there = 0
        self.most = 0

    async def __call__(self, call: Call) -> None:
        self.calls += 1
        self.there += 1
        self.most = max(self.most, self.there)
        try:
            await call.body()
            await self.clock.passed(SERVICE)
        finally:
            self.there -= 1
        await call.send(UNAVAILABLE if self.out else OK)

    def held(self) -> int:
        """How many are there now."""
        return self.there


def rules(url: str, breaker: str | None) -> str:
    """Three attempts, the default budget, and this breaker."""
    written = (
        "null" if breaker is None else f"{{{breaker}, open_for: 2s, max_open_for: 2s, half_open_requests: {PROBES}}}"
    )
    return rules_text(
        url,
        upstream=f"circuit_breaker: {written}",
        route="retry: {max_attempts: 3, budget: {ratio: 0.2, min_per_second: 10}}, timeout: {request: 5s, attempt: 1s}",
    )


def state(proxy: RunningProxy) -> str:
    """Where the breaker stands."""
    return str(
        proxy.proxy.current.runtime.breakers["upstream.app"].snapshot(proxy.proxy.environment.wheel.now())["state"]
    )


@pytest.mark.parametrize("breaker", list(BREAKERS.values()), ids=list(BREAKERS))
async def test_an_outage_is_noticed_borne_and_over_without_a_stampede(breaker: str) -> None:
    clock = Clock()
    service = Service(clock)
    async with (
        Backend(service) as backend,
        running(rules=rules(backend.url, breaker), clock=clock, seed=4) as proxy,
        OfferedLoad(proxy, PER_TICK, service.held) as load,
    ):
        await load.offer(1)
        assert set(load.statuses) == {200}
        assert service.most <= OFFERED + PER_TICK

        service.out = True
        calls, sent, began = service.calls, load.sent, clock()
        while state(proxy) == "closed":
            await load.tick()
        assert clock() - began <= 1.0
        await load.offer(SERVICE + TICK)  # what was on its way when it opened comes back
        service.most = service.there
        for _ in range(round(6 / TICK)):
            await load.tick()
            assert state(proxy) != "closed"
        assert 1 <= service.most <= PROBES
        assert service.calls - calls <= 1.25 * (load.sent - sent)

        service.out = False
        service.most = service.there
        recovered = clock()
        while state(proxy) != "closed":
            probed = service.most
            await load.tick()  # the one in which it closes lets more through
        assert probed <= PROBES
        assert clock() - recovered <= OPEN_FOR + 1.0

        await load.offer(0.2)  # who was refused in the last instants has been told so
        load.statuses.clear()
        await load.offer(1)
        assert set(load.statuses) == {200}
        assert service.most <= OFFERED + PER_TICK
        await load.finish()
        told = await proxy.breaker()
        assert (told["state"], told["leases"]) == ("closed", 0)


async def test_the_budget_alone_keeps_retries_from_becoming_the_load() -> None:
    clock = Clock()
    service = Service(clock)
    service.out = True
    async with (
        Backend(service) as backend,
        running(rules=rules(backend.url, None), clock=clock, seed=4) as proxy,
        OfferedLoad(proxy, PER_TICK, service.held) as load,
    ):
        await load.offer(4)
        await load.finish()
        assert set(load.statuses) == {503}
        assert load.sent == 2000
        # A fifth of the requests, ten retries a second, and ten in advance.
        assert load.sent < service.calls <= load.sent * 1.2 + 4.2 * 10 + 10
        assert service.calls <= 1.25 * load.sent
        everything = (await proxy.status())["routes"][0]
        assert everything["retries_skipped"]["budget"] > 1000
