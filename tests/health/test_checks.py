"""One process's part in the checks: it looks, or is told, and takes over from the verdicts it knows."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from sidecar.health.checks import Checks, Crier
from sidecar.health.finding import SUCCESS, Finding
from sidecar.health.prober import Prober
from sidecar.health.verdicts import Verdict
from sidecar.policies.health_gate import HealthCheckSpec
from sidecar.runtime.endpoint import Endpoint
from tests.health.scene import ONE, STEP, Scene, scene

APP = "app/127.0.0.1:3001"


class Noting(Crier):
    """Keeps what it is to tell others."""

    def __init__(self) -> None:
        self.said: list[list[Verdict]] = []
        self.missed: list[tuple[str, str]] = []

    def verdicts(self, told: Sequence[Verdict]) -> None:
        self.said.append(list(told))

    def lost(self, upstream: str, endpoint: str) -> None:
        self.missed.append((upstream, endpoint))


async def well(endpoint: Endpoint, spec: HealthCheckSpec) -> Finding:
    return Finding(SUCCESS, "status 200")


@asynccontextmanager
async def taking_part(one: Scene, crier: Crier | None) -> AsyncIterator[Checks]:
    """The checks of a process with the scene's rules, whose looks find everything well."""
    checks = Checks(one.wheel, random.Random(7), lambda endpoint: True, crier)
    if checks.prober is not None:
        checks.prober._ask = well
    try:
        yield checks
    finally:
        await checks.close()


async def looked(one: Scene, prober: Prober | None) -> None:
    assert prober is not None
    await one.clock.advance(STEP)
    while len(prober._tasks):
        await asyncio.sleep(0)


async def test_a_process_alone_looks_from_the_beginning() -> None:
    async with scene() as one, taking_part(one, None) as checks:
        checks.follow(one.runtime)
        await looked(one, checks.prober)
        assert not one.down()
        checks.told([("app", APP, False, "somebody else says so")])
        assert not one.down()


async def test_one_of_several_looks_at_nobody_and_believes_what_it_is_told() -> None:
    crier = Noting()
    async with scene() as one, taking_part(one, crier) as checks:
        checks.follow(one.runtime)
        assert checks.prober is None
        assert one.down()
        checks.told([("app", APP, True, "status 200"), ("nobody", "nobody/x", False, ""), ("app", "app/x", True, "")])
        assert not one.down()
        checks.lost("app", APP)
        assert (one.down(), crier.missed) == (False, [])


async def test_what_it_is_told_before_it_has_rules_holds_from_the_first_of_them() -> None:
    async with scene() as one, taking_part(one, Noting()) as checks:
        checks.told([("app", APP, True, ""), ("app", "app/gone", False, "ill")])
        checks.follow(one.runtime)
        assert not one.down()
        checks.told([("app", APP, False, "status 503")])
        checks.follow(one.runtime)
        assert one.down(), "what was kept is not told again"


async def test_one_of_several_reports_whom_it_could_not_reach() -> None:
    crier = Noting()
    async with scene(upstream="connect_timeout: 1s") as one, taking_part(one, crier) as checks:
        checks.follow(one.runtime)
        one.upstream.lost(one.wheel.now(), one.endpoint(), one.wheel.now())
        assert crier.missed == [("app", APP)]


async def test_who_is_to_lead_goes_on_from_what_it_knows_and_says_so_at_once_and_only_once() -> None:
    crier = Noting()
    async with scene() as one, taking_part(one, crier) as checks:
        checks.follow(one.runtime)
        checks.told([("app", APP, True, "status 200")])
        checks.lead()
        prober = checks.prober
        checks.lead()
        assert checks.prober is prober
        assert prober is not None
        prober._ask = well
        assert crier.said == [[("app", APP, True, "")]]
        assert not one.down()
        checks.lost("app", APP)
        assert one.down()
        assert crier.said[1:] == [[("app", APP, False, "cannot be connected to")]]
        await looked(one, prober)
        await one.clock.advance(2.0)
        await looked(one, prober)
        assert not one.down()


async def test_who_is_closed_leads_no_more() -> None:
    crier = Noting()
    async with scene(ONE) as one, taking_part(one, crier) as checks:
        checks.follow(one.runtime)
        await checks.close()
        checks.lead()
        assert checks.prober is None
        assert crier.said == []
