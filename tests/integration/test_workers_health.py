"""Health checks and holding where several workers are one instance: one looks for all, and all act on it."""

from __future__ import annotations

import asyncio
import sys

import pytest

from tests.doubles.backend import OK, Backend, Call, refusing
from tests.doubles.crew import WORKERS, crew
from tests.doubles.kernel import holder

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="several workers need memory files")


class Patient:
    """A backend whose health checks are answered when a test says so. `looks` are the ports they came from."""

    def __init__(self) -> None:
        self.answers = asyncio.Event()
        self.looks: list[int] = []
        self._came = asyncio.Condition()

    async def __call__(self, call: Call) -> None:
        if call.request.target == b"/healthz":
            self.looks.append(call.connection.writer.get_extra_info("peername")[1])
            async with self._came:
                self._came.notify_all()
            await self.answers.wait()
        await call.send(OK)

    async def looked(self, times: int) -> int:
        """Waits for so many looks; where the last of them came from."""
        async with self._came:
            await self._came.wait_for(lambda: len(self.looks) >= times)
        return self.looks[times - 1]


CHECK = "upstreams.app.health_check={path: /healthz, interval: 300s, timeout: 300s}"


async def test_one_worker_looks_for_all_and_when_it_is_killed_another_goes_on() -> None:
    patient = Patient()
    async with Backend(patient) as backend, crew(backend.url, sets=(CHECK,)) as one:
        port = await patient.looked(1)
        # All of them serve, and each would have looked at its start.
        assert len(patient.looks) == 1
        assert (await one.proxy.admin("GET", "/readyz")).status == 503
        leader = holder(one.pids, port, backend.port)
        assert leader in one.pids

        slot = one.pids.index(leader)
        await one.kill(slot)
        heir = holder(one.pids, await patient.looked(2), backend.port)
        assert heir in one.pids
        assert heir != leader
        await one.replaced(slot)
        assert len(patient.looks) == 2

        patient.answers.set()
        await one.proxy.until(
            lambda told: told["upstreams"][0]["endpoints"][0]["workers"]["taking_attempts"] == WORKERS
        )
        assert (await one.proxy.admin("GET", "/readyz")).status == 200
        peers = await one.peers()
        assert [(await peers[pid][0].get()).status for pid in one.pids] == [200] * WORKERS

        # What is known already is handed to who comes new: nobody has to look again.
        other = next(place for place, pid in enumerate(one.pids) if pid != heir and place != slot)
        await one.kill(other)
        await one.replaced(other)
        peers = await one.peers()
        assert [(await peers[pid][0].get()).status for pid in one.pids] == [200] * WORKERS
        assert len(patient.looks) == 2


async def test_requests_held_in_every_worker_go_when_one_of_them_finds_the_backend_back() -> None:
    hold = "upstreams.app.hold={timeout: 60s, max_requests: 100}"
    with refusing() as port:
        url = f"http://127.0.0.1:{port}"
        async with crew(url, sets=(hold, "upstreams.app.circuit_breaker=null")) as one:
            peers = [await one.peer() for _ in range(16)]
            for peer in peers:
                await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await one.proxy.until(lambda told: told["upstreams"][0]["policies"]["app/hold"]["held"] == 16)
            await one.proxy.until(
                lambda told: told["upstreams"][0]["endpoints"][0]["why_down"] == "cannot be connected to"
            )
            async with Backend(port=port) as backend:
                assert [(await peer.answer()).status for peer in peers] == [200] * 16
                assert len(backend.requests) == 16
                await one.proxy.until(
                    lambda told: told["upstreams"][0]["endpoints"][0]["workers"]["taking_attempts"] == WORKERS
                )
